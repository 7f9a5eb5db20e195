"""The stack in AWS: cfn-lint and checkov accept it, moto creates it, and its roles allow what docs/cloud.md lists."""

from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

if TYPE_CHECKING:
    from collections.abc import Iterator

STACK = Path("deploy/aws/stack.yaml")
TEXT = STACK.read_text(encoding="utf-8")
SUBJECT = "repo:team@1/flights@2"
ISSUER = "token.actions.githubusercontent.com"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-central-1"}
MAIN, PULL_REQUEST = "MainRoleArn", "PullRequestRoleArn"

LINT_FAULTS = {
    "unknown property": ("MaxSessionDuration: 3600 # seconds", "MaxSessionSeconds: 3600 # seconds", "E3002"),
    "unknown resource": ("Value: !Ref Bucket", "Value: !Ref Buckets", "E6101"),
    "unknown attribute": ("!GetAtt MainRole.Arn", "!GetAtt MainRole.ARN", "E6101"),
    "unknown encryption": ("SSEAlgorithm: AES256", "SSEAlgorithm: AES-256", "E3030"),
    "unknown action": ("s3:GetObject,", "s3:GetObjects,", "W3037"),
    "unknown deletion": ("DeletionPolicy: Retain # data", "DeletionPolicy: Keep # data", "E3035"),
}
CHECKOV_FAULTS = {
    "overwritten for good": ("        Status: Enabled\n\n", "        Status: Suspended\n\n", "CKV_AWS_21"),
    "public policy": ("BlockPublicPolicy: true", "BlockPublicPolicy: false", "CKV_AWS_54"),
    "public by ACL": (
        "      BucketEncryption:",
        "      AccessControl: PublicRead\n      BucketEncryption:",
        "CKV_AWS_20",
    ),
    "unknown encryption": ("SSEAlgorithm: AES256", "SSEAlgorithm: AES-256", "CKV_AWS_19"),
    "any principal": ("Federated: !If [CreatesProvider, !Ref Provider, !Ref ProviderArn]", "AWS: '*'", "CKV_AWS_60"),
    "administrator": (
        'PutObject]\n                Resource: !Sub "${Bucket.Arn}/*"',
        "PutObject, '*']\n                Resource: '*'",
        "CKV_AWS_62",
    ),
}
"""Text, its replacement, and the check that fails, by fault."""


def _faulty(faults: dict[str, tuple[str, str, str]], folder: Path) -> dict[str, str]:
    """Write the stack, and a copy with each fault, to `folder`. Return the expected check by file name."""
    expected = {STACK.name: ""}
    (folder / STACK.name).write_text(TEXT, encoding="utf-8")
    for name, (text, replacement, check) in faults.items():
        assert text in TEXT
        file = f"{name.replace(' ', '-')}.yaml"
        (folder / file).write_text(TEXT.replace(text, replacement, 1), encoding="utf-8")
        expected[file] = check
    return expected


def test_cfn_lint_accepts_the_stack_and_reports_each_fault(tools, tmp_path):
    expected = _faulty(LINT_FAULTS, tmp_path)
    command = [tools / "cfn-lint", "--format", "json", *(tmp_path / name for name in expected)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    reported: dict[str, set[str]] = {name: set() for name in expected}
    for finding in json.loads(done.stdout):
        reported[Path(finding["Filename"]).name].add(finding["Rule"]["Id"])
    assert {name: {check} if check else set() for name, check in expected.items()} == reported


def test_checkov_accepts_the_stack_and_reports_each_fault(tools, tmp_path):
    expected = _faulty(CHECKOV_FAULTS, tmp_path)
    command = [tools / "checkov", "--directory", tmp_path, "--framework", "cloudformation", "--output", "json"]
    done = subprocess.run([*command, "--skip-download"], capture_output=True, text=True, check=False)
    results = json.loads(done.stdout)["results"]
    reported: dict[str, set[str]] = {name: set() for name in expected}
    for finding in results["failed_checks"]:
        reported[Path(finding["file_path"]).name].add(finding["check_id"])
    assert set() == reported.pop(STACK.name)
    assert set() == {name for name in reported if expected[name] not in reported[name]}
    assert {"CKV_AWS_18"} == {finding["check_id"] for finding in results["skipped_checks"]}


@pytest.fixture
def stack(monkeypatch) -> Iterator[dict[str, str]]:
    """Create the stack in moto, which ignores the provider and the bucket's policy. Yield the outputs."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("cloudformation")
        client.create_stack(
            StackName="slipway",
            TemplateBody=TEXT,
            Parameters=[{"ParameterKey": "SubjectPrefix", "ParameterValue": SUBJECT}],
            Capabilities=["CAPABILITY_IAM"],
        )
        (created,) = client.describe_stacks(StackName="slipway")["Stacks"]
        assert "CREATE_COMPLETE" == created["StackStatus"]
        yield {output["OutputKey"]: output["OutputValue"] for output in created["Outputs"]}


def _role(arn: str) -> str:
    return arn.rpartition("/")[2]


def _permissions(role: str) -> dict[str, Any]:
    """Return the policy of a role. moto returns the text of a Python dictionary, which is also YAML."""
    iam = boto3.client("iam")
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: dict[str, Any] = yaml.safe_load(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    return document


def _token(subject: str, ref: str = "refs/heads/main", audience: str = "sts.amazonaws.com") -> dict[str, str]:
    return {"sub": subject, "ref": ref, "aud": audience}


def _trusts(document: dict[str, Any], token: dict[str, str]) -> bool:
    """Return whether the conditions of a role accept a token, as AWS defines StringEquals and StringLike."""
    (statement,) = document["Statement"]
    return all(
        any(fnmatchcase(token[key.removeprefix(f"{ISSUER}:")], pattern) for pattern in _listed(patterns))
        for operator in ("StringEquals", "StringLike")
        for key, patterns in statement["Condition"].get(operator, {}).items()
    )


def _listed(patterns: str | list[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else patterns


TOKENS = {
    "push to main": (_token(f"{SUBJECT}:ref:refs/heads/main"), {MAIN, PULL_REQUEST}),
    "promotion from main": (_token(f"{SUBJECT}:environment:production"), {MAIN}),
    "promotion from another branch": (_token(f"{SUBJECT}:environment:production", "refs/heads/topic"), set()),
    "another environment": (_token(f"{SUBJECT}:environment:github-pages"), set()),
    "pull request": (_token(f"{SUBJECT}:pull_request", "refs/pull/7/merge"), {PULL_REQUEST}),
    "manual run": (_token(f"{SUBJECT}:ref:refs/heads/retrain", "refs/heads/retrain"), {PULL_REQUEST}),
    "merge queue": (
        _token(f"{SUBJECT}:ref:refs/heads/gh-readonly-queue/main/pr-7-a", "refs/heads/gh-readonly-queue/main/pr-7-a"),
        {PULL_REQUEST},
    ),
    "tag": (_token(f"{SUBJECT}:ref:refs/tags/v1.0.0", "refs/tags/v1.0.0"), set()),
    "another repository": (_token("repo:team@1/flights2@3:ref:refs/heads/main"), set()),
    "recycled name": (_token("repo:team@9/flights@8:ref:refs/heads/main"), set()),
    "another audience": (_token(f"{SUBJECT}:ref:refs/heads/main", audience="https://github.com/team"), set()),
}


@pytest.mark.filterwarnings("ignore:Tried to parse AWS")
def test_a_role_trusts_the_tokens_of_its_workflows_only(stack):
    iam = boto3.client("iam")
    documents = {
        name: iam.get_role(RoleName=_role(stack[name]))["Role"]["AssumeRolePolicyDocument"]
        for name in (MAIN, PULL_REQUEST)
    }
    trusting = {
        name: {role for role, document in documents.items() if _trusts(document, token)}
        for name, (token, _) in TOKENS.items()
    }
    assert {name: roles for name, (_, roles) in TOKENS.items()} == trusting
    for document in documents.values():
        conditions = {key for keys in document["Statement"][0]["Condition"].values() for key in keys}
        assert {f"{ISSUER}:aud", f"{ISSUER}:sub"} <= conditions


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "read data": ("get_object", {"Key": "dvc/a"}),
    "read predictions": ("get_object", {"Key": "collected/a"}),
    "write a release": ("put_object", {"Key": "releases/b", "Body": b"b"}),
    "delete data": ("delete_object", {"Key": "dvc/a"}),
    "list": ("list_objects_v2", {"Prefix": "dvc/"}),
    "open the bucket": ("delete_bucket_policy", {}),
}
ALLOWED = {
    MAIN: {"read data", "read predictions", "write a release", "list"},
    PULL_REQUEST: {"read data", "list"},
}


@pytest.mark.filterwarnings("ignore:Tried to parse AWS")
@pytest.mark.parametrize("output", ALLOWED)
def test_a_role_may_do_what_its_jobs_need(stack, output):
    """moto enforces actions and resources of attached policies, not conditions and not policies inside a role."""
    bucket = stack["BucketName"]
    for key in ("dvc/a", "collected/a"):
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"a")
    iam = boto3.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    arn = iam.create_role(RoleName="tried", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = iam.create_policy(PolicyName="tried", PolicyDocument=json.dumps(_permissions(_role(stack[output]))))
    iam.attach_role_policy(RoleName="tried", PolicyArn=policy["Policy"]["Arn"])
    session = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="tried")["Credentials"]
    names = {"access_key_id": "AccessKeyId", "secret_access_key": "SecretAccessKey", "session_token": "SessionToken"}
    s3 = boto3.client("s3", **{f"aws_{name}": session[key] for name, key in names.items()})
    assert ALLOWED[output] == {name for name in CALLS if _is_allowed(s3, bucket, name)}


@set_initial_no_auth_action_count(0)
def _is_allowed(s3: Any, bucket: str, name: str) -> bool:
    method, arguments = CALLS[name]
    try:
        getattr(s3, method)(Bucket=bucket, **arguments)
    except ClientError as error:
        return error.response["Error"]["Code"] != "AccessDenied"
    return True


@pytest.mark.parametrize(
    ("prefix", "accepted"),
    [
        (SUBJECT, True),
        ("repo:team/flights.v2", True),
        ("repo:team@1/flights@2:ref:refs/heads/main", False),
        ("repo:team/*", False),
        ("team/flights", False),
    ],
)
def test_the_subject_names_one_repository(prefix, accepted):
    pattern = re.search(r"AllowedPattern: (.+)", TEXT)
    assert pattern
    assert accepted is bool(re.search(pattern[1], prefix))

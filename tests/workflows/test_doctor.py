"""`slipway doctor` on complete and on incomplete machines and repositories."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slipway import output, tools
from slipway.local import doctor, doctor_github
from slipway.local.finding import Finding, Severity
from tests import github_api
from tests.params import VALID

REPOSITORY = f"/repos/{github_api.REPOSITORY}"
AWS = {
    "SLIPWAY_STORE": "s3://flights/releases",
    "AWS_ROLE": "arn:aws:iam::123456789012:role/main",
    "AWS_PULL_REQUEST_ROLE": "arn:aws:iam::123456789012:role/pull-request",
    "AWS_REGION": "eu-central-1",
}
COMPLETE: dict[str, Any] = {
    REPOSITORY: {"default_branch": "main", "has_issues": True},
    "actions/workflows": {"workflows": [{"path": ".github/workflows/monitor.yaml", "state": "active"}]},
    "actions/permissions": {"enabled": True, "allowed_actions": "all"},
    "actions/permissions/workflow": {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": True},
    "environments": {
        "environments": [
            {"name": name, "deployment_branch_policy": {"custom_branch_policies": True}}
            for name in doctor_github.ENVIRONMENTS
        ]
    },
    "rulesets": [{"name": name, "enforcement": "active"} for name in doctor_github.RULES],
    "dependency-graph/sbom": {"sbom": {}},
    "actions/variables/PAGES": {"name": "PAGES", "value": "true"},
    "pages": {"build_type": "workflow"},
    **{f"actions/variables/{name}": {"name": name, "value": value} for name, value in AWS.items()},
    "actions/oidc/customization/sub": {"use_default": True, "sub_claim_prefix": "repo:team@1/flights@2"},
}
"""GitHub's responses for a repository with every setting."""


def find(subject: str, root: Path = Path()) -> Finding:
    (finding,) = (finding for finding in doctor.examine(root) if finding.subject == subject)
    return finding


def test_nothing_required_is_missing_on_the_machine_of_the_tests(capsys):
    assert doctor.doctor() <= Severity.ADVISED
    assert "MISSING" not in capsys.readouterr().out


def test_missing_data_is_reported_with_its_fix(tmp_path):
    assert "`uv run dvc pull data.dvc`" == find("data", tmp_path).fix


def test_missing_tool_is_reported_with_its_fix(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert ("on Debian and Ubuntu, `sudo apt-get install git`", "`make setup`") == (
        find("git").fix,
        find("act").fix,
    )


@pytest.mark.parametrize("tool", tools.OPTIONAL, ids=lambda tool: tool.name)
def test_missing_optional_tool_is_advised(monkeypatch, tmp_path, tool):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "MACHINE", tmp_path)
    finding = find(tool.name)
    assert (Severity.ADVISED, f"{tool.fix}, for {tool.purpose}") == (finding.severity, finding.fix)


def test_missing_identity_is_only_advised(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    finding = find("git identity", tmp_path)
    assert ("none", Severity.ADVISED) == (finding.observed, finding.severity)


@pytest.mark.parametrize(
    ("initial", "commands", "expected"),
    [
        ("main", [], "main"),
        ("master", [], "the default is master,"),
        ("change", [("branch", "main")], "main"),
        ("change", [("update-ref", "refs/remotes/origin/main", "HEAD")], "main"),
        (
            "main",
            [("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")],
            "the default is trunk,",
        ),
    ],
)
def test_default_branch_without_workflow_runs_is_reported(tmp_path, initial, commands, expected):
    commit = ("-c", "user.name=A", "-c", "user.email=a@example.invalid", "commit", "-q", "--allow-empty", "-m", "All")
    for command in (("init", "-q", f"--initial-branch={initial}"), commit, *commands):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    finding = find("branch", tmp_path)
    assert finding.observed.startswith(expected)
    assert ("main" != expected) is ("gh repo edit --default-branch main" in finding.fix)


def test_a_folder_without_git_has_no_branch(tmp_path):
    assert [] == [finding for finding in doctor.examine(tmp_path) if finding.subject == "branch"]


@pytest.mark.parametrize(
    ("config", "severity", "fix"),
    [
        ("url = ../.dvcstore\nverify = true", 0, ""),
        ("url = gs://flights/dvc\nverify = true", 0, ""),
        ("url = azure://flights/dvc\nverify = true", 2, "`uv sync --inexact --group azure`"),
        ("url = s3://flights/dvc", 1, "`dvc remote modify bucket verify true`"),
    ],
)
def test_unusable_remote_of_dvc_is_reported(monkeypatch, tmp_path, config, severity, fix):
    monkeypatch.setattr(doctor, "_is_installed", lambda package: package != "dvc_azure")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(f"[core]\nremote = bucket\n['remote \"bucket\"']\n{config}\n")
    finding = find("DVC remote", tmp_path)
    assert (severity, fix) == (finding.severity, finding.fix)


def test_store_without_its_package_is_reported(monkeypatch):
    monkeypatch.setenv("SLIPWAY_STORE", "gs://flights/releases")
    assert Severity.FINE == find("SLIPWAY_STORE").severity
    monkeypatch.setattr(doctor, "_is_installed", lambda package: package != "gcsfs")
    assert (Severity.NEEDED, "`uv sync --inexact --group gs`") == (
        find("SLIPWAY_STORE").severity,
        find("SLIPWAY_STORE").fix,
    )


def test_full_disk_is_reported(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1e9}))
    assert ("free 3 GB", Severity.NEEDED) == (find("disk").fix, find("disk").severity)


@pytest.mark.parametrize(("owner", "severity"), [("@OWNER/maintainers", 1), ("@flights/maintainers", 0)])
def test_placeholder_of_the_code_owners_is_reported(tmp_path, owner, severity):
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "CODEOWNERS").write_text(f"/tests/ {owner}\n", encoding="utf-8")
    assert severity == find("code owners", tmp_path).severity


@pytest.mark.parametrize("severity", list(Severity))
def test_worst_finding_is_the_exit_code_and_is_counted(monkeypatch, capsys, severity):
    findings = [Finding("git", "present"), Finding("disk", "full", "free 3 GB", severity)]
    monkeypatch.setattr(doctor, "examine", lambda _: findings)
    monkeypatch.setattr(doctor_github, "examine", lambda _: ())
    assert severity == doctor.doctor()
    *_, last = capsys.readouterr().out.splitlines()
    assert (
        last
        == [
            "Nothing is missing.",
            "1 advised: see the fixes above",
            "1 missing: see the fixes above",
        ][severity]
    )


def test_json_has_every_finding(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda _: [Finding("disk", "full", "free 3 GB", Severity.NEEDED)])
    monkeypatch.setattr(doctor_github, "examine", lambda _: ())
    with output.session(["--json"]):
        doctor.doctor()
    content = json.loads(capsys.readouterr().out)
    (finding,) = content["findings"]
    assert ("needed", "needed", "free 3 GB") == (content["severity"], finding["severity"], finding["fix"])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://github.com/team/flights.git", ("github.com", "team/flights")),
        ("https://github.com/team/flights", ("github.com", "team/flights")),
        ("https://token@github.com/team/flights", ("github.com", "team/flights")),
        ("git@github.com:team/flights.git", ("github.com", "team/flights")),
        ("ssh://git@github.com/team/flights.v2.git", ("github.com", "team/flights.v2")),
        ("https://localhost:8443/team/flights", ("localhost:8443", "team/flights")),
        ("/srv/git/flights.git", ("", "")),
    ],
)
def test_origin_is_parsed_in_every_url_format(tmp_path, address, expected):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", address], check=True)
    assert expected == doctor_github.origin(tmp_path)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with github_api.serve(tmp_path_factory.mktemp("github")) as server:
        yield server


@pytest.fixture
def clone(server, tmp_path, monkeypatch):
    """A clone of a repository that has every setting according to `server`."""
    server.settings = dict(COMPLETE)
    server.calls.clear()
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))  # for gh
    monkeypatch.setenv("GH_HOST", server.address)
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "token")
    monkeypatch.setenv("GH_CONFIG_DIR", str(tmp_path / "gh"))
    monkeypatch.setenv("SSL_CERT_FILE", server.certificate)
    address = f"https://{server.address}/{github_api.REPOSITORY}.git"
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", address], check=True)
    return tmp_path


def test_complete_repository_needs_no_fix(clone):
    findings = list(doctor_github.examine(clone))
    assert 18 == len(findings)
    assert [] == [finding for finding in findings if finding.fix or finding.severity]


REQUESTS = {
    "repository": {REPOSITORY},
    "workflows": {"actions/workflows"},
    "immutable releases": {"immutable-releases"},
    "GitHub Actions": {"actions/permissions"},
    "workflow permissions": {"actions/permissions/workflow"},
    "environments": {"environments"},
    "rules": {"rulesets"},
    "dependency graph": {"dependency-graph/sbom"},
    "Pages": {"actions/variables/PAGES", "pages"},
    "AWS role": {
        "actions/oidc/customization/sub",
        *(f"actions/variables/{name}" for name in (*AWS, "SLIPWAY_COLLECTED")),
    },
}
"""API paths that each check requests."""

INCOMPLETE = [
    (
        REPOSITORY,
        {"default_branch": "master", "has_issues": True},
        "default branch",
        2,
        "`git push --set-upstream origin main`, then `gh repo edit --default-branch main`",
    ),
    (
        REPOSITORY,
        {"default_branch": "main", "has_issues": False},
        "Issues",
        1,
        "Settings → General → Features → Issues",
    ),
    *(
        (
            "actions/workflows",
            {"workflows": [{"path": ".github/workflows/retrain.yaml", "state": state}]},
            "workflows",
            1,
            "`gh workflow enable retrain.yaml`",
        )
        for state in ("disabled_inactivity", "disabled_fork", "disabled_manually")
    ),
    (
        "immutable-releases",
        {"enabled": True, "enforced_by_owner": False},
        "immutable releases",
        1,
        "Enable release immutability: off",
    ),
    ("immutable-releases", {"enabled": True, "enforced_by_owner": True}, "immutable releases", 1, "SLIPWAY_STORE"),
    ("actions/permissions", {"enabled": False}, "GitHub Actions", 2, "the button on the tab Actions"),
    (
        "actions/permissions",
        {"enabled": True, "allowed_actions": "local_only"},
        "GitHub Actions",
        2,
        "allow the pinned actions of `actions`",
    ),
    (
        "actions/permissions/workflow",
        {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": True},
        "workflow permissions",
        1,
        "Workflow permissions: read",
    ),
    (
        "actions/permissions/workflow",
        {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False},
        "pull requests by CI",
        1,
        "create and approve pull requests",
    ),
    ("actions/variables/AWS_ROLE", 404, "AWS role", 1, "create the stack of docs/cloud.md"),
    ("actions/variables/AWS_REGION", 404, "AWS_REGION", 2, "set the variable AWS_REGION"),
    ("actions/variables/AWS_PULL_REQUEST_ROLE", 404, "AWS_PULL_REQUEST_ROLE", 1, "see docs/cloud.md"),
    ("actions/oidc/customization/sub", {"use_default": False}, "AWS subject", 2, "-F use_default=true"),
    ("actions/oidc/customization/sub", {"use_default": True}, "AWS subject", 1, "see docs/cloud.md"),
    ("environments", {"total_count": 0}, "environment staging", 1, "--input .github/rulesets/environment.json"),
    ("environments", {"environments": []}, "environment staging", 1, "--input .github/rulesets/environment.json"),
    (
        "environments",
        {"environments": [{"name": "production", "deployment_branch_policy": None}]},
        "environment production",
        1,
        "--method PUT 'repos/{owner}/{repo}/environments/production'",
    ),
    (
        "rulesets",
        [],
        "rules main",
        1,
        "--method POST 'repos/{owner}/{repo}/rulesets' --input .github/rulesets/main.json",
    ),
    ("rulesets", [{"name": "deploy", "enforcement": "disabled"}], "rules deploy", 1, ".github/rulesets/deploy.json"),
    ("dependency-graph/sbom", 404, "dependency graph", 1, "DEPENDENCY_REVIEW"),
    ("pages", 404, "Pages", 2, "Source: GitHub Actions"),
    *(
        (path, 403, subject, 1, "an administrator")
        for path, subject in (
            ("actions/permissions", "GitHub Actions"),
            ("actions/permissions/workflow", "workflow permissions"),
            ("environments", "environments"),
            ("rulesets", "rules"),
            ("dependency-graph/sbom", "dependency graph"),
            ("actions/variables/PAGES", "Pages"),
            ("actions/variables/AWS_ROLE", "AWS role"),
            (REPOSITORY, "repository"),
            ("actions/workflows", "workflows"),
            ("immutable-releases", "immutable releases"),
        )
    ),
]


@pytest.mark.parametrize(("path", "response", "subject", "severity", "fix"), INCOMPLETE)
def test_missing_setting_is_reported_with_its_fix(server, clone, monkeypatch, path, response, subject, severity, fix):
    server.settings[path] = response
    check = next(name for name, paths in REQUESTS.items() if path in paths)
    monkeypatch.setattr(doctor_github, "CHECKS", {check: doctor_github.CHECKS[check]})
    (finding,) = (finding for finding in doctor_github.examine(clone) if finding.subject == subject)
    assert severity == finding.severity
    assert fix in finding.fix


def test_repository_that_publishes_nothing_needs_no_pages(server, clone):
    server.settings |= {"actions/variables/PAGES": 404, "pages": 404}
    (finding,) = (finding for finding in doctor_github.examine(clone) if finding.subject == "Pages")
    assert ("", Severity.FINE) == (finding.fix, finding.severity)


def test_commands_of_fixes_read_existing_files(server, clone):
    server.settings |= {"environments": {"environments": []}, "rulesets": []}
    fixes = [finding.fix for finding in doctor_github.examine(clone) if "--input" in finding.fix]
    files = [fix.split("--input ")[1].split("`")[0] for fix in fixes]
    assert 5 == len(files)
    assert [] == [file for file in files if not Path(file).is_file()]


def test_rulesets_have_the_expected_names():
    for name, file in doctor_github.RULES.items():
        assert name == json.loads((Path(".github/rulesets") / file).read_text(encoding="utf-8"))["name"]


def test_doctor_only_reads_from_github(server, clone):
    list(doctor_github.examine(clone))
    assert {"GET"} == {method for method, _ in server.calls}


def test_without_a_login_nothing_is_requested(server, clone, monkeypatch):
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    (finding,) = doctor_github.examine(clone)
    assert ("`gh auth login`", Severity.ADVISED, []) == (finding.fix, finding.severity, server.calls)


def test_without_an_origin_on_github_the_skipped_checks_are_listed(tmp_path, monkeypatch):
    monkeypatch.delenv("GH_HOST", raising=False)
    (finding,) = doctor_github.examine(tmp_path)
    assert ("", Severity.FINE) == (finding.fix, finding.severity)
    assert "rules" in finding.observed


def test_make_doctor_fails_only_if_something_is_missing(tmp_path):
    rule = next(line for line in Path("Makefile").read_text(encoding="utf-8").splitlines() if "slipway doctor" in line)
    for code in (0, 1, 2):
        fake = tmp_path / "fake"
        fake.write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
        fake.chmod(0o755)
        (tmp_path / "Makefile").write_text(f"RUN = {fake}\nall:\n{rule}\n", encoding="utf-8")
        made = subprocess.run(["make", "-C", str(tmp_path)], env=os.environ, capture_output=True, check=False)
        assert (code > 1) == bool(made.returncode)


@pytest.mark.parametrize(
    ("card", "observed"),
    [
        ("{license: mit, contact: '  '}", "card.out_of_scope, card.data_license, card.data_source, card.contact"),
        ("{contacts: Ada}", "card.contacts: no such key; did you mean card.contact?"),
    ],
)
def test_empty_and_unknown_keys_of_the_cards_are_reported(tmp_path, card, observed):
    text = re.sub(r"\ncard:(?: .*)?\n(?:  .*\n)+", f"\ncard: {card}\n", VALID.read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    finding = doctor._card(tmp_path / "params.yaml")
    assert observed in finding.observed
    assert finding.severity > Severity.FINE
    assert Severity.FINE == doctor._card(VALID).severity

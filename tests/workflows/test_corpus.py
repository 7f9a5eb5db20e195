"""Each faulty workflow in bad/ fails the check that targets its fault; workflows without a fault pass every check.

The checks are those of `slipway lint`, the rules of test_policy.py, and GitHub's own language service (in Node).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from slipway.pull_request.jobs import LINTERS, run_tool
from tests.workflows import languageservice, pinned
from tests.workflows.test_policy import ACTIONS, RULES, WORKFLOWS, Workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
UNLISTED_WRITER = ("policy/permissions_are_widened_per_job",)  # the policy lists no such workflow with write access
BAD = {
    "action-by-a-similar-name": ("zizmor/typosquat-uses", "policy/actions_are_pinned", "language service"),
    "action-that-is-archived": ("zizmor/archived-uses", "policy/actions_are_pinned", "language service"),
    "action-that-nobody-knows": ("policy/actions_are_pinned", "policy/jobs_upload_their_result", "language service"),
    "actor-that-can-be-played": ("zizmor/bot-conditions",),
    "all-secrets-in-one-step": ("zizmor/overprovisioned-secrets",),
    "branch-in-a-command": ("zizmor/template-injection", "policy/commands_contain_no_expressions", "actionlint"),
    "cache-key-of-bytecode": ("policy/cache_keys_exclude_bytecode",),
    "cache-where-releases-are-made": ("policy/publishing_jobs_use_no_cache", "policy/permissions_are_widened_per_job"),
    "commands-in-the-output": ("zizmor/insecure-commands",),
    "comment-as-a-trigger": ("zizmor/dangerous-triggers", "policy/privileged_triggers_start_one_workflow_only"),
    "commit-that-nobody-knows": ("policy/actions_are_pinned", "language service"),
    "commit-with-another-version": ("policy/actions_are_pinned",),
    "compare-without-credentials": ("policy/private_repositories_can_be_read",),
    "condition-that-is-always-true": ("zizmor/unsound-condition", "actionlint"),
    "credentials-left-behind": ("zizmor/artipacked", "policy/credentials_persist_only_for_pushes"),
    "download-without-a-name": ("policy/downloads_have_a_fixed_destination",),
    "environment-of-a-fork": (
        "zizmor/github-env",
        "zizmor/dangerous-triggers",
        "policy/steps_call_the_command_line",
        "policy/privileged_triggers_start_one_workflow_only",
    ),
    "files-of-a-fork": (
        "policy/privileged_triggers_use_trusted_code_only",
        "zizmor/dangerous-triggers",
        "policy/privileged_triggers_start_one_workflow_only",
    ),
    "format-without-its-argument": ("language service", "actionlint"),
    "identity-without-a-use": ("policy/identity_tokens_have_a_use", "policy/permissions_are_widened_per_job"),
    "ignore-without-a-reason": ("policy/ignores_carry_a_reason",),
    "image-without-a-digest": ("zizmor/unpinned-images",),
    "job-without-a-runner": ("schema", "actionlint", "language service"),
    "json-of-nothing": ("policy/expressions_mean_the_same_under_act",),
    "key-that-does-not-exist": ("schema", "actionlint", "language service"),
    "missing-input": ("language service", "policy/actions_have_valid_inputs"),
    "no-concurrency": ("zizmor/concurrency-limits", "policy/runs_do_not_collide"),
    "no-name": ("zizmor/anonymous-definition",),
    "no-permissions-of-the-job": ("policy/permissions_are_widened_per_job",),
    "no-timeout": ("policy/jobs_have_timeouts",),
    "number-in-quotes": ("policy/expressions_mean_the_same_under_act",),
    "package-without-a-hash": ("policy/steps_call_the_command_line",),
    "part-of-a-secret": ("zizmor/unredacted-secrets", "policy/expressions_mean_the_same_under_act"),
    "password-in-the-file": ("zizmor/hardcoded-container-credentials", "actionlint"),
    "path-that-hides-an-action": ("zizmor/obfuscation", "policy/actions_are_pinned", "language service"),
    "permission-to-write": ("policy/permissions_are_widened_per_job", "policy/promotions_are_not_cancelled"),
    "permission-without-a-reason": ("policy/permissions_carry_a_reason",),
    "permissions-for-all-jobs": ("zizmor/excessive-permissions", "policy/permissions_start_at_none"),
    "privileged-trigger": ("zizmor/dangerous-triggers", "policy/privileged_triggers_start_one_workflow_only"),
    "program-without-a-hash": ("policy/steps_call_the_command_line",),
    "release-that-is-cancelled-half-way": (
        "policy/promotions_are_not_cancelled",
        "policy/permissions_are_widened_per_job",
    ),
    "removed-runtime": ("policy/runtimes_are_supported",),
    "release-of-another-run": ("policy/promotions_name_the_release_that_was_built", *UNLISTED_WRITER),
    "result-that-is-lost": ("policy/jobs_upload_their_result",),
    "reviewers-that-hold-up-the-next-run": ("policy/reviewers_block_one_job_only", *UNLISTED_WRITER),
    "role-for-a-fork": ("policy/forks_assume_no_role", "policy/permissions_are_widened_per_job"),
    "runner-that-remembers": ("zizmor/self-hosted-runner",),
    "secret-in-a-pull-request": ("policy/pull_requests_see_no_secret",),
    "secret-without-an-environment": ("zizmor/secrets-outside-env",),
    "site-of-a-second-attempt": ("policy/sites_are_named_by_attempt",),
    "source-at-a-tag": ("policy/other_sources_are_pinned",),
    "star-over-json": ("policy/expressions_mean_the_same_under_act",),
    "status-that-a-queue-waits-for": ("policy/a_merge_queue_gets_the_required_status",),
    "status-that-does-not-wait": ("policy/everything_is_required",),
    "step-that-does-two-things": ("schema", "actionlint", "language service"),
    "substring-in-place-of-a-list": ("zizmor/unsound-contains",),
    "tag-in-place-of-a-commit": ("zizmor/unpinned-uses", "policy/actions_are_pinned", "language service"),
    "text-around-a-condition": ("language service", "actionlint", "zizmor/obfuscation", "zizmor/unsound-condition"),
    "title-in-a-command": ("zizmor/template-injection", "policy/commands_contain_no_expressions", "actionlint"),
    "trigger-that-does-not-exist": ("schema", "actionlint", "language service"),
    "two-lines-in-a-step": ("policy/steps_are_one_line",),
    "unknown-context": ("language service", "actionlint"),
    "unknown-field-of-the-event": ("language service",),
    "unknown-function": ("language service", "actionlint"),
    "unknown-input": ("language service", "policy/actions_have_valid_inputs"),
    "unknown-job": ("language service", "actionlint"),
    "unknown-output": ("language service", "policy/outputs_exist"),
    "unknown-permission": ("language service", "actionlint", "schema"),
    "unknown-step": ("language service", "actionlint"),
    "uv-without-a-hash": ("policy/uv_is_installed_by_hash", "policy/actions_are_pinned", "language service"),
    "unknown-command": ("policy/commands_exist", "policy/private_repositories_can_be_read"),
}
"""The checks that fail for each workflow; the first one targets its fault."""

SERVICE = "language service"

CLEAN = [*WORKFLOWS, *sorted((FOLDER / "good").glob("*.yaml"))]
FILES = [*CLEAN, *(FOLDER / "bad" / f"{name}.yaml" for name in BAD)]


@pytest.fixture(scope="module")
def failed_checks() -> Mapping[Path, set[str]]:
    """Return the checks that fail for each file, except the language service."""
    failed: defaultdict[Path, set[str]] = defaultdict(set)
    for finding in _zizmor():
        for location in finding["locations"]:
            failed[Path(location["symbolic"]["key"]["Local"]["verbatim_path"])].add(f"zizmor/{finding['ident']}")
    for error in _json(*LINTERS["workflow schema"][:-1], "--output-format=json", *map(str, FILES))["errors"]:
        failed[Path(error["filename"])].add("schema")
    paths = {path.absolute(): path for path in FILES}
    for line in run_tool([*LINTERS["actionlint"][:-1], *map(str, FILES)])[1].splitlines():
        failed[paths[Path(line.split(":")[0]).absolute()]].add("actionlint")
    for path in FILES:
        workflow = Workflow(path.name, path.read_text(encoding="utf-8"))
        failed[path] |= {f"policy/{rule.__name__}" for rule in RULES if list(rule(workflow))}
    return failed


def _zizmor() -> list[dict[str, Any]]:
    """Return zizmor's findings. Without strict collection, a file that violates the schema does not stop it."""
    options = [word for word in LINTERS["zizmor"] if word.startswith("--") and word != "--strict-collection"]
    return _json("zizmor", *options, "--format=json", "--config=.github/zizmor.yaml", *map(str, FILES))


def _json(tool: str, *arguments: str) -> Any:
    command = [str(Path(sys.executable).parent / tool), *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


@pytest.fixture(scope="module")
def service_messages() -> Mapping[Path, list[str]]:
    """Return the messages of GitHub's language service by file."""
    return languageservice.findings([*FILES, *ACTIONS], pinned.CONTENT)


@pytest.mark.parametrize("name", BAD)
def test_fault_fails_the_expected_checks(failed_checks, name):
    assert set(BAD[name]) - {SERVICE} == failed_checks[FOLDER / "bad" / f"{name}.yaml"]


@pytest.mark.parametrize("name", BAD)
def test_language_service_reports_the_expected_faults(service_messages, name):
    assert (SERVICE in BAD[name]) == bool(service_messages[FOLDER / "bad" / f"{name}.yaml"])


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.name)
def test_workflow_without_a_fault_passes_every_check(failed_checks, path):
    assert set() == failed_checks[path]


@pytest.mark.parametrize("path", [*CLEAN, *ACTIONS], ids=str)
def test_language_service_reports_nothing_for_a_file_without_a_fault(service_messages, path):
    assert [] == service_messages[path]


def test_every_bad_workflow_is_in_the_table():
    assert set(BAD) == {path.stem for path in (FOLDER / "bad").glob("*")}


def test_every_rule_is_violated_by_a_bad_workflow():
    named = {check for checks in BAD.values() for check in checks}
    assert {f"policy/{rule.__name__}" for rule in RULES} == {check for check in named if check.startswith("policy/")}


def test_workflow_run_without_workflows_is_reported(tmp_path):
    """Neither the schema nor the language service requires `workflows`, and zizmor fails on all files."""
    text = Path(".github/workflows/pull-request-comment.yaml").read_text(encoding="utf-8")
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text(re.sub(r"    workflows: .*\n", "", text), encoding="utf-8")
    code, output = run_tool([*LINTERS["actionlint"][:-1], str(faulty)])
    assert (1, True) == (code, "no workflow is configured" in output)

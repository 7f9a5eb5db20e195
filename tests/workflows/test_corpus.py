"""Workflows with one fault each, in bad/, and the check that is there to catch it; those without a fault pass them all.

The checks are those of `slipway lint`, and the rules of test_policy.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from slipway.jobs import LINTERS
from tests.workflows.test_policy import RULES, WORKFLOWS, Workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
BAD = {
    "action-by-a-similar-name": ("zizmor/typosquat-uses", "policy/actions_are_pinned"),
    "action-that-is-archived": ("zizmor/archived-uses", "policy/actions_are_pinned"),
    "action-that-nobody-knows": ("policy/actions_are_pinned", "policy/jobs_leave_their_result"),
    "actor-that-can-be-played": ("zizmor/bot-conditions",),
    "all-secrets-at-once": ("zizmor/overprovisioned-secrets",),
    "branch-in-a-command": ("zizmor/template-injection", "policy/commands_hold_no_expressions"),
    "cache-key-of-bytecode": ("policy/cache_keys_leave_out_bytecode",),
    "cache-where-releases-are-made": ("policy/publishing_jobs_use_no_cache", "policy/permissions_are_widened_per_job"),
    "commands-in-the-output": ("zizmor/insecure-commands",),
    "comment-as-a-trigger": ("zizmor/dangerous-triggers", "policy/strangers_start_one_workflow_only"),
    "commit-that-nobody-knows": ("policy/actions_are_pinned",),
    "commit-with-another-version": ("policy/actions_are_pinned",),
    "condition-that-is-always-true": ("zizmor/unsound-condition",),
    "credentials-left-behind": ("zizmor/artipacked", "policy/credentials_stay_only_where_pushing"),
    "download-without-a-name": ("policy/downloads_land_where_they_are_read",),
    "environment-from-a-stranger": (
        "zizmor/github-env",
        "zizmor/dangerous-triggers",
        "policy/steps_call_the_command_line",
        "policy/strangers_start_one_workflow_only",
    ),
    "files-of-a-stranger": (
        "policy/strangers_bring_nothing_with_them",
        "zizmor/dangerous-triggers",
        "policy/strangers_start_one_workflow_only",
    ),
    "ignore-without-a-reason": ("policy/ignores_carry_a_reason",),
    "image-without-a-digest": ("zizmor/unpinned-images",),
    "job-without-a-runner": ("schema",),
    "key-that-does-not-exist": ("schema",),
    "no-concurrency": ("zizmor/concurrency-limits", "policy/runs_do_not_collide"),
    "no-name": ("zizmor/anonymous-definition",),
    "no-permissions-of-the-job": ("policy/permissions_are_widened_per_job",),
    "no-timeout": ("policy/jobs_have_timeouts",),
    "package-without-a-hash": ("policy/steps_call_the_command_line",),
    "part-of-a-secret": ("zizmor/unredacted-secrets",),
    "password-in-the-file": ("zizmor/hardcoded-container-credentials",),
    "path-that-hides-an-action": ("zizmor/obfuscation", "policy/actions_are_pinned"),
    "permission-to-write": (
        "policy/permissions_are_widened_per_job",
        "policy/promotions_are_not_cancelled",
    ),
    "permission-without-a-reason": ("policy/permissions_carry_a_reason",),
    "permissions-for-all-jobs": ("zizmor/excessive-permissions", "policy/permissions_start_at_none"),
    "privileged-trigger": ("zizmor/dangerous-triggers", "policy/strangers_start_one_workflow_only"),
    "program-from-a-stranger": ("policy/steps_call_the_command_line",),
    "release-that-is-cancelled-half-way": (
        "policy/promotions_are_not_cancelled",
        "policy/permissions_are_widened_per_job",
    ),
    "result-that-is-lost": ("policy/jobs_leave_their_result",),
    "runner-that-remembers": ("zizmor/self-hosted-runner",),
    "secret-in-a-pull-request": ("policy/pull_requests_see_no_secret",),
    "secret-without-an-environment": ("zizmor/secrets-outside-env",),
    "site-of-a-second-attempt": ("policy/sites_are_named_by_attempt",),
    "status-that-a-queue-waits-for": ("policy/a_merge_queue_gets_the_required_status",),
    "status-that-does-not-wait": ("policy/everything_is_required",),
    "step-that-does-two-things": ("schema",),
    "substring-in-place-of-a-list": ("zizmor/unsound-contains",),
    "tag-in-place-of-a-commit": ("zizmor/unpinned-uses", "policy/actions_are_pinned"),
    "title-in-a-command": ("zizmor/template-injection", "policy/commands_hold_no_expressions"),
    "trigger-that-does-not-exist": ("schema",),
    "two-lines-in-a-step": ("policy/steps_are_one_line",),
    "uv-without-a-hash": ("policy/uv_is_installed_by_hash", "policy/actions_are_pinned"),
    "verb-that-does-not-exist": ("policy/verbs_exist",),
}
"""The check that each is meant for, and the others that see its fault, too."""

CLEAN = [*WORKFLOWS, *sorted((FOLDER / "good").glob("*.yaml"))]
FILES = [*CLEAN, *(FOLDER / "bad" / f"{name}.yaml" for name in BAD)]


@pytest.fixture(scope="module")
def caught() -> Mapping[Path, set[str]]:
    """For each file, the checks that have something to say of it."""
    found: defaultdict[Path, set[str]] = defaultdict(set)
    for finding in _zizmor():
        for location in finding["locations"]:
            found[Path(location["symbolic"]["key"]["Local"]["verbatim_path"])].add(f"zizmor/{finding['ident']}")
    for error in _json(*LINTERS["workflow schema"][:-1], "--output-format=json", *map(str, FILES))["errors"]:
        found[Path(error["filename"])].add("schema")
    for path in FILES:
        workflow = Workflow(path.name, path.read_text(encoding="utf-8"))
        found[path] |= {f"policy/{rule.__name__}" for rule in RULES if list(rule(workflow))}
    return found


def _zizmor() -> list[dict[str, Any]]:
    """What zizmor finds; one file that breaks the schema must not keep it from looking at the others."""
    options = [word for word in LINTERS["zizmor"] if word.startswith("--") and word != "--strict-collection"]
    return _json("zizmor", *options, "--format=json", "--config=.github/zizmor.yaml", *map(str, FILES))


def _json(tool: str, *arguments: str) -> Any:
    command = [str(Path(sys.executable).parent / tool), *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_caught_by_the_check_that_is_meant_to_catch_it(caught, name):
    meant, *others = BAD[name]
    found = caught[FOLDER / "bad" / f"{name}.yaml"]
    assert meant in found
    assert set(others) == found - {meant}


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.name)
def test_a_workflow_without_a_fault_is_not_caught(caught, path):
    assert set() == caught[path]


def test_every_bad_workflow_is_in_the_table():
    assert set(BAD) == {path.stem for path in (FOLDER / "bad").glob("*")}


def test_every_rule_is_broken_by_a_bad_workflow():
    named = {check for checks in BAD.values() for check in checks}
    assert {f"policy/{rule.__name__}" for rule in RULES} == {check for check in named if check.startswith("policy/")}

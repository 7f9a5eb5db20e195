"""What every workflow of the template promises, and for each promise a fault that breaks it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.main import get_command

from slipway.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOWS = sorted(Path(".github/workflows").glob("*.yaml"))
ACTIONS = sorted(Path(".github/actions").glob("*/action.yml"))

PINS = {
    "actions/cache/restore": ("v5.0.5", "27d5ce7f107fe9357f9df03efb73ab90386fccae"),
    "actions/cache/save": ("v5.0.5", "27d5ce7f107fe9357f9df03efb73ab90386fccae"),
    "actions/checkout": ("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/download-artifact": ("v8.0.1", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    "actions/setup-python": ("v7.0.0", "5fda3b95a4ea91299a34e894583c3862153e4b97"),
    "actions/upload-artifact": ("v7.0.0", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"),
    "astral-sh/setup-uv": ("v10.0.1", "20cfd1bf945f4377ade1205e4dbc17946fc9a30d"),
    "iterative/setup-cml": ("v2.0.1", "f12ea7685438c1fc438d50f77519b3860cf5fa98"),
}
"""Tag and commit of each action, as read in the action's own repository."""

WRITERS = {
    "cache.yaml": {},
    "deploy.yaml": {"build": {"contents"}, "production": {"contents"}, "staging": {"contents"}},
    "pull-request-comment.yaml": {"comment": {"pull-requests"}},
    "pull-request.yaml": {},
}
"""Jobs that may write, and what."""

LAST = {"comment", "required"}
"""Jobs that end a run: what they have to say is a status or a comment."""


class Workflow:
    """A workflow as text and as data."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.content: dict[Any, Any] = yaml.safe_load(text)
        self.jobs: dict[str, dict[str, Any]] = self.content.get("jobs") or {}

    def steps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, job in self.jobs.items():
            yield from ((name, step) for step in job["steps"])
        yield from (("action", step) for step in self.content.get("runs", {}).get("steps", []))

    def writes(self, job: str) -> set[str]:
        return {scope for scope, level in self.jobs[job].get("permissions", {}).items() if level == "write"}


def permissions_start_at_none(workflow: Workflow) -> Iterator[str]:
    if workflow.jobs and workflow.content.get("permissions") != {}:
        yield "top-level permissions are not {}"


def permissions_are_widened_per_job(workflow: Workflow) -> Iterator[str]:
    for name, job in workflow.jobs.items():
        if "permissions" not in job:
            yield f"{name}: no permissions"
        if workflow.writes(name) != WRITERS[workflow.name].get(name, set()):
            yield f"{name}: writes {workflow.writes(name)}"


def permissions_carry_a_reason(workflow: Workflow) -> Iterator[str]:
    for line in workflow.text.splitlines():
        if re.match(r"\s+[\w-]+: (read|write)\b(?! # \w+)", line):
            yield f"no reason: {line.strip()}"


def jobs_have_timeouts(workflow: Workflow) -> Iterator[str]:
    yield from (f"{name}: no timeout" for name, job in workflow.jobs.items() if "timeout-minutes" not in job)


def runs_do_not_collide(workflow: Workflow) -> Iterator[str]:
    if workflow.jobs and "group" not in workflow.content.get("concurrency", {}):
        yield "no concurrency group"


def promotions_are_not_cancelled(workflow: Workflow) -> Iterator[str]:
    if WRITERS.get(workflow.name) and workflow.content["concurrency"]["cancel-in-progress"] is not False:
        yield "a job that writes can be cancelled half way"


def actions_are_pinned(workflow: Workflow) -> Iterator[str]:
    for line in re.findall(r"uses: (.+)", workflow.text):
        if line.startswith("./"):
            continue
        found = re.fullmatch(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v[\d.]+)", line)
        if not found or PINS.get(found[1]) != (found[3], found[2]):
            yield f"not a known commit with its version: {line}"


def credentials_stay_only_where_pushing(workflow: Workflow) -> Iterator[str]:
    for job, step in workflow.steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            kept = step.get("with", {}).get("persist-credentials")
            if kept is not ("contents" in workflow.writes(job)):
                yield f"{job}: persist-credentials is {kept}"


def steps_are_one_line(workflow: Workflow) -> Iterator[str]:
    yield from (f"{job}: {step['run']}" for job, step in workflow.steps() if "\n" in step.get("run", "").strip())


def commands_hold_no_expressions(workflow: Workflow) -> Iterator[str]:
    """What a stranger may choose (a title, a branch) would be run as shell; a variable of the environment is not."""
    yield from (f"{job}: {step['run']}" for job, step in workflow.steps() if "${{" in step.get("run", ""))


def pull_requests_see_no_secret(workflow: Workflow) -> Iterator[str]:
    if "pull_request" in workflow.content.get(True, {}) and "secrets." in workflow.text:
        yield "a secret in a workflow of pull requests"


def publishing_jobs_use_no_cache(workflow: Workflow) -> Iterator[str]:
    for job, step in workflow.steps():
        sets_up = step.get("uses") == "./.github/actions/setup"
        if sets_up and workflow.writes(job) and step.get("with", {}).get("cache") != "false":
            yield f"{job}: restores a cache and publishes"


def jobs_leave_their_result(workflow: Workflow) -> Iterator[str]:
    for name, job in workflow.jobs.items():
        last = [step for step in job["steps"] if step.get("uses", "").startswith("actions/upload-artifact@")]
        if name not in LAST and not any(step.get("if") == "always()" for step in last):
            yield f"{name}: its result is not uploaded when it fails"


def everything_is_required(workflow: Workflow) -> Iterator[str]:
    if "required" in workflow.jobs:
        required = workflow.jobs["required"]
        if set(required["needs"]) != workflow.jobs.keys() - {"required"} or required.get("if") != "always()":
            yield "`required` does not wait for every job, come what may"


def verbs_exist(workflow: Workflow) -> Iterator[str]:
    commands = get_command(app).commands
    for job, step in workflow.steps():
        for verb in re.findall(r"\bslipway (\w+)", step.get("run", "")):
            if verb not in commands:
                yield f"{job}: slipway has no verb {verb}"


RULES = [
    permissions_start_at_none,
    permissions_are_widened_per_job,
    permissions_carry_a_reason,
    jobs_have_timeouts,
    runs_do_not_collide,
    promotions_are_not_cancelled,
    actions_are_pinned,
    credentials_stay_only_where_pushing,
    steps_are_one_line,
    commands_hold_no_expressions,
    pull_requests_see_no_secret,
    publishing_jobs_use_no_cache,
    jobs_leave_their_result,
    everything_is_required,
    verbs_exist,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=str)
def test_workflow_keeps(path, rule):
    assert [] == list(rule(Workflow(path.name, path.read_text(encoding="utf-8"))))


FAULTS = [
    (permissions_start_at_none, "pull-request.yaml", "permissions: {}", "permissions: read-all"),
    (permissions_are_widened_per_job, "pull-request.yaml", "contents: read # checkout", "contents: write # why not"),
    (permissions_are_widened_per_job, "deploy.yaml", "contents: write # the release", "packages: write # the release"),
    (permissions_carry_a_reason, "pull-request.yaml", "contents: read # checkout", "contents: read"),
    (jobs_have_timeouts, "pull-request.yaml", "    timeout-minutes: 10\n", ""),
    (runs_do_not_collide, "pull-request.yaml", "  group: pull-request-", "  name: pull-request-"),
    (promotions_are_not_cancelled, "deploy.yaml", "cancel-in-progress: false", "cancel-in-progress: true"),
    (actions_are_pinned, "pull-request.yaml", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"),
    (actions_are_pinned, "pull-request.yaml", "ba90b1 # v7.0.1", "ba90b1 # v7.0.0"),
    (actions_are_pinned, "pull-request.yaml", "ba90b1 # v7.0.1", "ba90b2 # v7.0.1"),
    (actions_are_pinned, "pull-request.yaml", "actions/checkout@", "someone/checkout@"),
    (credentials_stay_only_where_pushing, "pull-request.yaml", "persist-credentials: false", "fetch-tags: false"),
    (credentials_stay_only_where_pushing, "deploy.yaml", "persist-credentials: true", "persist-credentials: false"),
    (steps_are_one_line, "pull-request.yaml", "run: uv run slipway lint", "run: |\n          ls\n          ls"),
    (commands_hold_no_expressions, "pull-request.yaml", "slipway lint", "slipway lint ${{ github.head_ref }}"),
    (pull_requests_see_no_secret, "pull-request.yaml", "${{ github.token }}", "${{ secrets.TOKEN }}"),
    (publishing_jobs_use_no_cache, "deploy.yaml", 'cache: "false"', 'cache: "true"'),
    (jobs_leave_their_result, "pull-request.yaml", "        if: always()\n", ""),
    (everything_is_required, "pull-request.yaml", "needs: [lint, data, test, train, report]", "needs: [report]"),
    (everything_is_required, "pull-request.yaml", "if: always() # a job that was skipped", "if: success() #"),
    (verbs_exist, "pull-request.yaml", "slipway lint", "slipway lnt"),
]


@pytest.mark.parametrize(("rule", "file", "text", "fault"), FAULTS)
def test_rule_catches_its_fault(rule, file, text, fault):
    whole = (Path(".github/workflows") / file).read_text(encoding="utf-8")
    assert text in whole
    assert list(rule(Workflow(file, whole.replace(text, fault, 1))))


def test_every_rule_has_a_fault():
    assert set(RULES) == {rule for rule, *_ in FAULTS}


def test_bootstrap_installs_the_locked_uv():
    lock = tomllib.loads(Path("uv.lock").read_text(encoding="utf-8"))
    (locked,) = (package for package in lock["package"] if package["name"] == "uv")
    pinned = Path(".ci/uv.txt").read_text(encoding="utf-8")
    assert locked["version"] == re.search(r"^uv==(\S+)", pinned, re.MULTILINE)[1]
    assert {wheel["hash"] for wheel in locked["wheels"]} == set(re.findall(r"--hash=(\S+)", pinned))


def test_setup_action_installs_the_locked_uv():
    pinned = re.search(r"^uv==(\S+)", Path(".ci/uv.txt").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert f'version: "{pinned}"' in Path(".github/actions/setup/action.yml").read_text(encoding="utf-8")


def test_makefile_has_six_targets_at_most():
    (targets,) = re.findall(r"^\.PHONY: (.+)$", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert 6 >= len(targets.split())

"""What every workflow of the template promises, and for each promise a fault that breaks it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.main import get_command

from slipway import jobs
from slipway.cli import app
from slipway.local import cml_install
from tests.workflows import expressions, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOWS = sorted(Path(".github/workflows").glob("*.yaml"))
PULL_REQUEST = Path(".github/workflows/pull-request.yaml")
ACTIONS = sorted(Path(".github/actions").glob("*/action.yml"))

REMOVED_RUNTIMES = {"node12", "node16", "node20"}
"""Runtimes of actions that GitHub's runners no longer have: they run such an action on a newer one, with a warning."""

OLD_RUNTIMES = {
    "dependency-review.yaml": {"actions/dependency-review-action": "v4.9.0 is the newest release"},
}
"""Actions that a workflow uses although their runtime is gone, and why."""

SOURCES = {"iterative/cml": (f"v{cml_install.VERSION}", cml_install.COMMIT)}
"""Version and commit of each other repository that is checked out, as read in the repository itself."""

WRITERS = {
    "deploy.yaml": {
        "build": {"attestations", "contents", "id-token"},
        **{job: {"contents"} for job in ("staging", "production", "report")},
    },
    "docs.yaml": {"publish": {"id-token", "pages"}},
    "monitor.yaml": {"health": {"actions", "issues"}},
    "pull-request-comment.yaml": {"comment": {"pull-requests"}, "required-status": {"statuses"}},
    "retrain.yaml": {"propose": {"actions", "contents", "pull-requests"}},
    "rollback.yaml": {"rollback": {"contents"}},
    "scorecard.yaml": {"scorecard": {"security-events"}},
}
"""Jobs that may write, and what; no job of another workflow may."""

LAST = {"comment", "dependency-review", "health", "propose", "publish", "required", "required-status"}
"""Jobs that end a run: what they have to say is a status, a comment, an issue, a pull request or a site."""

PUSHING = re.compile(r"slipway (promote|propose|release publish|rollback)\b")
"""Verbs that push; what else writes asks GitHub, with a token of its own."""

REVIEWED = {"staging", "production", "${{ inputs.environment }}"}
"""Environments for which docs/security.md offers reviewers."""

OWN_RELEASE = "${{ needs.build.outputs.release }}"

NEVER_ASK_ORIGIN = {
    *("audit", "cml", "comment", "data", "docs", "lint", "release comment", "report", "required", "required-status"),
    *("test", "train"),
}
"""Commands that work with what is checked out; every other one may fetch."""

CREDENTIALS = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "credential.helper",
    "GIT_CONFIG_VALUE_0": "!gh auth git-credential",
}

PRIVILEGED = {"issue_comment", "issues", "pull_request_review", "pull_request_target", "workflow_run"}
"""Triggers by which a stranger starts something that has the rights of `main`."""

INSTALL_UV = ".ci/install-uv"
"""The one command that installs something which is not in uv.lock: uv itself."""

COMMENT = "pull-request-comment.yaml"
"""The one workflow that has such a trigger."""


class Workflow:
    """A workflow as text and as data."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.content: dict[Any, Any] = yaml.safe_load(text)
        self.jobs: dict[str, dict[str, Any]] = self.content.get("jobs") or {}
        self.triggers = set(self.content.get(True) or ())  # YAML takes the key `on` for a truth value

    def steps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, job in self.jobs.items():
            yield from ((name, step) for step in job.get("steps", []))
        yield from (("action", step) for step in self.content.get("runs", {}).get("steps", []))

    def groups(self, job: str) -> list[dict[str, Any]]:
        """Concurrency groups that a job waits for: that of the workflow, and its own."""
        levels = (self.content.get("concurrency", {}), self.jobs[job].get("concurrency", {}))
        return [level for level in levels if "group" in level]

    def environment(self, job: str) -> str | None:
        """Name of the environment of a job; it may have an address, too."""
        given = self.jobs[job].get("environment")
        return given.get("name") if isinstance(given, dict) else given

    def writes(self, job: str) -> set[str]:
        permissions = self.jobs.get(job, {}).get("permissions", {})
        if isinstance(permissions, str):
            return {permissions} - {"read-all"}
        return {scope for scope, level in permissions.items() if level == "write"}


def read(path: Path) -> Workflow:
    return Workflow(path.name, path.read_text(encoding="utf-8"))


def permissions_start_at_none(workflow: Workflow) -> Iterator[str]:
    if workflow.jobs and workflow.content.get("permissions") != {}:
        yield "top-level permissions are not {}"


def permissions_are_widened_per_job(workflow: Workflow) -> Iterator[str]:
    for name, job in workflow.jobs.items():
        if "permissions" not in job:
            yield f"{name}: no permissions"
        if workflow.writes(name) != WRITERS.get(workflow.name, {}).get(name, set()):
            yield f"{name}: writes {workflow.writes(name)}"


def permissions_carry_a_reason(workflow: Workflow) -> Iterator[str]:
    for line in workflow.text.splitlines():
        if re.match(r"\s+[\w-]+: (read|write)\b(?! # \w+)", line):
            yield f"no reason: {line.strip()}"


def jobs_have_timeouts(workflow: Workflow) -> Iterator[str]:
    yield from (f"{name}: no timeout" for name, job in workflow.jobs.items() if "timeout-minutes" not in job)


def runs_do_not_collide(workflow: Workflow) -> Iterator[str]:
    yield from (f"{job}: no concurrency group" for job in workflow.jobs if not workflow.groups(job))


def promotions_are_not_cancelled(workflow: Workflow) -> Iterator[str]:
    for job in filter(workflow.writes, workflow.jobs):
        if any(group.get("cancel-in-progress") is not False for group in workflow.groups(job) or [{}]):
            yield f"{job}: writes, and can be cancelled half way"


def reviewers_hold_up_one_job_only(workflow: Workflow) -> Iterator[str]:
    """A run that waits for reviewers holds its groups: those of the workflow would keep the next run from its build."""
    reviewed = [job for job in workflow.jobs if workflow.environment(job) in REVIEWED]
    yield from (f"{job}: the whole workflow waits" for job in reviewed if "concurrency" in workflow.content)
    own = [workflow.jobs[job].get("concurrency", {}).get("group") for job in workflow.jobs]
    if reviewed and len(set(own)) < len(own):
        yield "two jobs share a group"


def promotions_name_the_release_that_was_built(workflow: Workflow) -> Iterator[str]:
    """What is newest may be another run's, which is not judged yet."""
    for job, step in workflow.steps():
        release = step.get("env", {}).get("SLIPWAY_RELEASE")
        if re.search(r"slipway (promote|verify --before)\b", step.get("run", "")) and release != OWN_RELEASE:
            yield f"{job}: {step['run']} takes {release or 'the newest release'}"


def actions_are_pinned(workflow: Workflow) -> Iterator[str]:
    for line in re.findall(r"\buses: (.+)", workflow.text):
        if line.startswith("./"):
            continue
        found = re.fullmatch(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v[\d.]+)", line)
        action = pinned.ACTIONS.get(found[1]) if found else None
        if not found or not action or (action.version, action.commit) != (found[3], found[2]):
            yield f"not a known commit with its version: {line}"


def actions_take_what_they_are_given(workflow: Workflow) -> Iterator[str]:
    """Every input of a step is one of its action, and none that the action requires is missing."""
    for job, step in workflow.steps():
        inputs = pinned.inputs(step.get("uses", ""))
        given = step.get("with", {}).keys()
        if inputs is not None:
            yield from (f"{job}: {step['uses']} has no input {name}" for name in given - inputs.keys())
            required = {name for name, facts in inputs.items() if facts.missing_is_an_error}
            yield from (f"{job}: {step['uses']} requires {name}" for name in required - given)


def outputs_exist(workflow: Workflow) -> Iterator[str]:
    """Every output of a step that is read is one of its action; the outputs of a command are unknown."""
    for name, part in {**workflow.jobs, "action": workflow.content.get("runs", {})}.items():
        uses = {step["id"]: step.get("uses", "") for step in part.get("steps", []) if "id" in step}
        text = str(part) + str(workflow.content.get("outputs", "") if name == "action" else "")
        for step, output in re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", text):
            outputs = pinned.outputs(uses[step]) if step in uses else []
            if outputs is not None and output not in outputs:
                yield f"{name}: step {step} has no output {output}"


def runtimes_are_there(workflow: Workflow) -> Iterator[str]:
    """GitHub's runners have the runtime of every action, or the workflow states why it is used without."""
    for job, step in workflow.steps():
        name = step.get("uses", "").split("@")[0]
        action = pinned.ACTIONS.get(name)
        if action and action.using in REMOVED_RUNTIMES and name not in OLD_RUNTIMES.get(workflow.name, {}):
            yield f"{job}: {name} runs on {action.using}, which GitHub's runners no longer have"


def credentials_stay_only_where_pushing(workflow: Workflow) -> Iterator[str]:
    pushing = {job for job, step in workflow.steps() if PUSHING.search(step.get("run", ""))}
    for job, step in workflow.steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            kept = step.get("with", {}).get("persist-credentials")
            if kept is not (job in pushing):
                yield f"{job}: persist-credentials is {kept}"


def private_repositories_can_be_read(workflow: Workflow) -> Iterator[str]:
    """What asks `origin` has the checkout's credentials, or those of `gh`; an agent looks from another folder."""
    kept = {job for job, step in workflow.steps() if step.get("with", {}).get("persist-credentials") is True}
    for job, step in workflow.steps():
        verb = re.search(r"slipway ((?:release )?[\w-]+)", step.get("run", ""))
        if not verb or verb[1] in NEVER_ASK_ORIGIN or (job in kept and verb[1] != "agent"):
            continue
        env = step.get("env", {})
        if not CREDENTIALS.items() <= env.items() or "GH_TOKEN" not in env:
            yield f"{job}: {step['run']} cannot fetch from a private repository"


def strangers_start_one_workflow_only(workflow: Workflow) -> Iterator[str]:
    if workflow.name != COMMENT:
        yield from (f"started by {trigger}" for trigger in sorted(workflow.triggers & PRIVILEGED))


def strangers_bring_nothing_with_them(workflow: Workflow) -> Iterator[str]:
    """Where a stranger starts what has rights, nothing of his is checked out, downloaded or restored by an action."""
    if not workflow.triggers & PRIVILEGED:
        return
    for job, step in workflow.steps():
        action = step.get("uses", "").split("@")[0]
        if {"ref", "repository"} & step.get("with", {}).keys():
            yield f"{job}: checks out something other than the default branch"
        if action.startswith(("actions/cache", "actions/download-artifact")):
            yield f"{job}: {action} unpacks what a stranger packed"


def other_sources_are_pinned(workflow: Workflow) -> Iterator[str]:
    """The checkout of another repository names a commit that git verifies, and its version."""
    for _, step in workflow.steps():
        given = step.get("with", {})
        if step.get("uses", "").startswith("actions/checkout@") and "repository" in given:
            version, commit = SOURCES.get(given["repository"], ("", ""))
            if given.get("ref") != commit or f"ref: {commit} # {version}\n" not in workflow.text:
                yield f"{given['repository']}: {given.get('ref')} is not a known commit with its version"


def steps_are_one_line(workflow: Workflow) -> Iterator[str]:
    yield from (f"{job}: {step['run']}" for job, step in workflow.steps() if "\n" in step.get("run", "").strip())


def steps_call_the_command_line(workflow: Workflow) -> Iterator[str]:
    """A step runs a command that runs on a laptop too; packages come from the lock, and uv from its pinned hashes."""
    for job, step in workflow.steps():
        command = re.sub(r"\$\{\{.*?\}\}", "", step.get("run", "uv run slipway"))
        if command != INSTALL_UV and not re.match(r'uv (run slipway|sync --frozen)([\w\s./=:$-]|"\$\w+")*$', command):
            yield f"{job}: {step['run']}"


def uv_is_installed_by_hash(workflow: Workflow) -> Iterator[str]:
    """No action installs uv: `setup-uv` verifies only the versions that it knows."""
    for job, step in workflow.steps():
        action = step.get("uses", "").split("@")[0]
        if "uv" in re.split(r"\W", action):
            yield f"{job}: {action} may download uv without verifying it; use {INSTALL_UV}"


def commands_hold_no_expressions(workflow: Workflow) -> Iterator[str]:
    """What a stranger may choose (a title, a branch) would be run as shell; a variable of the environment is not."""
    yield from (f"{job}: {step['run']}" for job, step in workflow.steps() if "${{" in step.get("run", ""))


def expressions_mean_the_same_under_act(workflow: Workflow) -> Iterator[str]:
    """What decides something in a test under act decides the same on GitHub."""
    for expression in expressions.of(workflow.content):
        yield from (f"{expression}: {difference}" for difference in expressions.differences(expression))


def pull_requests_see_no_secret(workflow: Workflow) -> Iterator[str]:
    if "pull_request" in workflow.triggers and re.search(r"\bsecrets\b", workflow.text):
        yield "a secret in a workflow of pull requests"


def publishing_jobs_use_no_cache(workflow: Workflow) -> Iterator[str]:
    for job, step in workflow.steps():
        action, given = step.get("uses", "").split("@")[0], step.get("with", {})
        caches = action.startswith("actions/cache") or given.get("enable-cache") or "cache" in given
        if caches and workflow.writes(job):
            yield f"{job}: {action} restores or saves a cache, and the job publishes"


def downloads_land_where_they_are_read(workflow: Workflow) -> Iterator[str]:
    """A pattern that matches one artifact extracts into the path, several into folders: only merged they are alike."""
    for job, step in workflow.steps():
        downloads, given = step.get("uses", "").startswith("actions/download-artifact@"), step.get("with", {})
        if downloads and "name" not in given and given.get("merge-multiple") is not True:
            yield f"{job}: where files of {given.get('pattern', 'all artifacts')} land depends on how many match"


def cache_keys_leave_out_bytecode(workflow: Workflow) -> Iterator[str]:
    """Python writes bytecode with the time of the checkout: a key that covers it never matches twice."""
    for key in re.findall(r"hashFiles\((.*?)\)", workflow.text):
        for pattern in re.findall(r"'(.*?)'", key):
            if fnmatchcase("src/slipway/__pycache__/jobs.cpython-312.pyc", pattern):
                yield f"{pattern} covers bytecode"


def sites_are_named_by_attempt(workflow: Workflow) -> Iterator[str]:
    """`deploy-pages` refuses two artifacts of one name, and a job that is run again uploads a second one."""
    for job, step in workflow.steps():
        action, given = step.get("uses", "").split("@")[0], step.get("with", {})
        if action == "actions/upload-pages-artifact" and "github.run_attempt" not in given.get("name", ""):
            yield f"{job}: a second attempt uploads another artifact of the same name"
        if action == "actions/deploy-pages" and "needs." not in given.get("artifact_name", ""):
            yield f"{job}: deploys an artifact by a name that the job before it may not have given"


def ignores_carry_a_reason(workflow: Workflow) -> Iterator[str]:
    for line in workflow.text.splitlines():
        if re.search(r"zizmor: ignore(?!\[[\w-]+\] \w+ \w+)", line):
            yield f"no reason: {line.strip()}"


def jobs_leave_their_result(workflow: Workflow) -> Iterator[str]:
    for name, job in workflow.jobs.items():
        last = [step for step in job.get("steps", []) if step.get("uses", "").startswith("actions/upload-artifact@")]
        if name not in LAST and not any(step.get("if") == "always()" for step in last):
            yield f"{name}: its result is not uploaded when it fails"


def everything_is_required(workflow: Workflow) -> Iterator[str]:
    if "required" in workflow.jobs:
        required = workflow.jobs["required"]
        if set(required.get("needs", [])) != workflow.jobs.keys() - {"required"} or required.get("if") != "always()":
            yield "`required` does not wait for every job, come what may"


def a_merge_queue_gets_the_required_status(workflow: Workflow) -> Iterator[str]:
    if "required" in workflow.jobs and "merge_group" not in workflow.triggers:
        yield "no merge queue ever gets the status `required`"


def verbs_exist(workflow: Workflow) -> Iterator[str]:
    commands = get_command(app).commands
    for job, step in workflow.steps():
        for verb in re.findall(r"\bslipway ([\w-]+)", step.get("run", "")):
            if verb not in commands:
                yield f"{job}: slipway has no verb {verb}"


RULES = [
    permissions_start_at_none,
    permissions_are_widened_per_job,
    permissions_carry_a_reason,
    jobs_have_timeouts,
    runs_do_not_collide,
    promotions_are_not_cancelled,
    reviewers_hold_up_one_job_only,
    promotions_name_the_release_that_was_built,
    actions_are_pinned,
    actions_take_what_they_are_given,
    outputs_exist,
    runtimes_are_there,
    credentials_stay_only_where_pushing,
    private_repositories_can_be_read,
    strangers_start_one_workflow_only,
    strangers_bring_nothing_with_them,
    other_sources_are_pinned,
    steps_are_one_line,
    steps_call_the_command_line,
    uv_is_installed_by_hash,
    commands_hold_no_expressions,
    expressions_mean_the_same_under_act,
    pull_requests_see_no_secret,
    publishing_jobs_use_no_cache,
    downloads_land_where_they_are_read,
    cache_keys_leave_out_bytecode,
    sites_are_named_by_attempt,
    ignores_carry_a_reason,
    jobs_leave_their_result,
    everything_is_required,
    a_merge_queue_gets_the_required_status,
    verbs_exist,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=str)
def test_workflow_keeps(path, rule):
    assert [] == list(rule(read(path)))


WHOLE_WORKFLOW = "concurrency:\n  group: deploy\n  cancel-in-progress: false\n"
FAULTS = [
    (permissions_start_at_none, "pull-request.yaml", "permissions: {}", "permissions: read-all"),
    (permissions_are_widened_per_job, "pull-request.yaml", "contents: read # checkout", "contents: write # why not"),
    (permissions_are_widened_per_job, "deploy.yaml", "contents: write # the release", "packages: write # the release"),
    (permissions_are_widened_per_job, COMMENT, "pull-requests: read # whether", "pull-requests: write # whether"),
    (permissions_are_widened_per_job, COMMENT, "statuses: write", "checks: write"),
    (permissions_carry_a_reason, "pull-request.yaml", "contents: read # checkout", "contents: read"),
    (jobs_have_timeouts, "pull-request.yaml", "    timeout-minutes: 10\n", ""),
    (runs_do_not_collide, "pull-request.yaml", "  group: pull-request-", "  name: pull-request-"),
    (runs_do_not_collide, "deploy.yaml", "      group: deploy-build\n", ""),
    (promotions_are_not_cancelled, "deploy.yaml", "cancel-in-progress: false", "cancel-in-progress: true"),
    (reviewers_hold_up_one_job_only, "deploy.yaml", "jobs:\n", f"{WHOLE_WORKFLOW}jobs:\n"),
    (reviewers_hold_up_one_job_only, "rollback.yaml", "jobs:\n", f"{WHOLE_WORKFLOW}jobs:\n"),
    (reviewers_hold_up_one_job_only, "deploy.yaml", "group: deploy-production", "group: deploy-staging"),
    (promotions_name_the_release_that_was_built, "deploy.yaml", "          SLIPWAY_RELEASE: ", "          RELEASE: "),
    (actions_are_pinned, "pull-request.yaml", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"),
    (actions_are_pinned, "pull-request.yaml", "ba90b1 # v7.0.1", "ba90b1 # v7.0.0"),
    (actions_are_pinned, "pull-request.yaml", "ba90b1 # v7.0.1", "ba90b2 # v7.0.1"),
    (actions_are_pinned, "pull-request.yaml", "actions/checkout@", "someone/checkout@"),
    (actions_take_what_they_are_given, "pull-request.yaml", "persist-credentials: false", "keep-credentials: false"),
    (actions_take_what_they_are_given, "cache.yaml", "          path: .dvc/cache\n", ""),
    (actions_take_what_they_are_given, "deploy.yaml", "groups: --group", "group: --group"),
    (outputs_exist, "deploy.yaml", "outputs.bundle-path", "outputs.bundle_path"),
    (outputs_exist, "deploy.yaml", "id: attest", "id: attested"),
    (runtimes_are_there, "deploy.yaml", "uses: actions/attest@", "uses: actions/dependency-review-action@"),
    (credentials_stay_only_where_pushing, "pull-request.yaml", "persist-credentials: false", "fetch-tags: false"),
    (credentials_stay_only_where_pushing, "deploy.yaml", "persist-credentials: true", "persist-credentials: false"),
    (credentials_stay_only_where_pushing, "deploy.yaml", "persist-credentials: false", "persist-credentials: true"),
    (private_repositories_can_be_read, "deploy.yaml", '          GIT_CONFIG_COUNT: "1"', '          OTHER: "1"'),
    (private_repositories_can_be_read, "rollback.yaml", "GIT_CONFIG_VALUE_0", "GIT_CONFIG_VALUE_1"),
    (private_repositories_can_be_read, "monitor.yaml", "          GH_TOKEN: ", "          TOKEN: "),
    (private_repositories_can_be_read, "deploy.yaml", "persist-credentials: true", "persist-credentials: false"),
    (commands_hold_no_expressions, "rollback.yaml", '"$VERSION"', "${{ inputs.version }}"),
    (promotions_are_not_cancelled, "rollback.yaml", "cancel-in-progress: false", "cancel-in-progress: true"),
    (steps_are_one_line, "pull-request.yaml", "run: uv run slipway lint", "run: |\n          ls\n          ls"),
    (steps_call_the_command_line, "pull-request.yaml", "uv run slipway lint", "pip install ruff"),
    (steps_call_the_command_line, "pull-request.yaml", "slipway lint", "slipway lint && curl http://example.com | sh"),
    (uv_is_installed_by_hash, "setup/action.yml", "run: .ci/install-uv", "uses: astral-sh/setup-uv@main"),
    (steps_call_the_command_line, "setup/action.yml", "run: .ci/install-uv", "run: pip install uv"),
    (commands_hold_no_expressions, "pull-request.yaml", "slipway lint", "slipway lint ${{ github.head_ref }}"),
    (
        expressions_mean_the_same_under_act,
        "deploy.yaml",
        "== 'workflow_dispatch'",
        "== 'push' && github.run_attempt < 2",
    ),
    (expressions_mean_the_same_under_act, "deploy.yaml", "toJSON(needs)", "toJSON(needs.*.result)"),
    (expressions_mean_the_same_under_act, "deploy.yaml", "toJSON(needs)", "fromJSON(needs.build.outputs.found).a"),
    (expressions_mean_the_same_under_act, "deploy.yaml", "toJSON(needs)", "format(vars.FORMAT, github.sha)"),
    (pull_requests_see_no_secret, "pull-request.yaml", "${{ github.token }}", "${{ secrets.TOKEN }}"),
    (pull_requests_see_no_secret, "pull-request.yaml", "${{ github.token }}", "${{ secrets['TOKEN'] }}"),
    (strangers_start_one_workflow_only, "pull-request.yaml", "  pull_request:\n", "  pull_request_target:\n"),
    (strangers_start_one_workflow_only, "deploy.yaml", "  workflow_dispatch:\n", "  issue_comment:\n"),
    (strangers_bring_nothing_with_them, COMMENT, "persist-credentials: false", "ref: refs/pull/1/merge"),
    (strangers_bring_nothing_with_them, COMMENT, "uses: ./.github/actions/cml", "uses: actions/download-artifact@x"),
    (other_sources_are_pinned, "cml/action.yml", "a3a66c74b218b08710f42bf599b066e37cb4cba7", "v0.20.6"),
    (other_sources_are_pinned, "cml/action.yml", "a3a66c74b218b08710f42bf599b066e37cb4cba7", "${{ github.sha }}"),
    (other_sources_are_pinned, "cml/action.yml", "repository: iterative/cml", "repository: someone/cml"),
    (other_sources_are_pinned, "cml/action.yml", "# v0.20.6", "# v0.20.5"),
    (publishing_jobs_use_no_cache, "deploy.yaml", "overwrite: true", "cache: pip"),
    (publishing_jobs_use_no_cache, "deploy.yaml", "actions/upload-artifact@", "actions/cache/save@"),
    (publishing_jobs_use_no_cache, COMMENT, "persist-credentials: false", "enable-cache: true"),
    (downloads_land_where_they_are_read, "pull-request.yaml", "merge-multiple: true", "merge-multiple: false"),
    (downloads_land_where_they_are_read, "deploy.yaml", "name: results-build # by", "pattern: results-* # by"),
    (cache_keys_leave_out_bytecode, "pull-request.yaml", "'src/**/*.py'", "'src/**'"),
    (cache_keys_leave_out_bytecode, "cache.yaml", "'src/**/*.py'", "'**/*'"),
    (sites_are_named_by_attempt, "docs.yaml", "name: github-pages-${{ github.run_attempt }}\n", "name: github-pages\n"),
    (sites_are_named_by_attempt, "docs.yaml", "artifact_name: ${{ needs.docs.outputs.site }}", "artifact_name: site"),
    (a_merge_queue_gets_the_required_status, "pull-request.yaml", "  merge_group:\n", ""),
    (ignores_carry_a_reason, "deploy.yaml", "ignore[artipacked] pushes the promotion", "ignore[artipacked]"),
    (ignores_carry_a_reason, "deploy.yaml", "ignore[artipacked] pushes", "ignore"),
    (jobs_leave_their_result, "pull-request.yaml", "        if: always()\n", ""),
    (everything_is_required, "pull-request.yaml", "needs: [lint, data, test, train, report]", "needs: [report]"),
    (everything_is_required, "pull-request.yaml", "if: always() # a job that was skipped", "if: success() #"),
    (verbs_exist, "pull-request.yaml", "slipway lint", "slipway lnt"),
]


@pytest.mark.parametrize(("rule", "file", "text", "fault"), FAULTS)
def test_rule_catches_its_fault(rule, file, text, fault):
    folder = Path(".github/actions" if file.endswith("/action.yml") else ".github/workflows")
    whole = (folder / file).read_text(encoding="utf-8")
    assert text in whole
    assert list(rule(Workflow(file, whole.replace(text, fault, 1))))


def test_no_two_workflows_share_a_group():
    """GitHub compares names without regard to case, across the workflows of a repository."""
    named: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        workflow = Workflow(path.name, path.read_text(encoding="utf-8"))
        for group in (group["group"].lower() for job in workflow.jobs for group in workflow.groups(job)):
            named.setdefault(group, set()).add(path.name)
    assert [] == [group for group, files in named.items() if len(files) > 1]


def test_every_rule_has_a_fault():
    assert set(RULES) == {rule for rule, *_ in FAULTS}


def test_every_old_runtime_that_is_allowed_is_old_and_used():
    used = {(path.name, step.get("uses", "").split("@")[0]) for path in WORKFLOWS for _, step in read(path).steps()}
    allowed = {(name, action) for name, actions in OLD_RUNTIMES.items() for action in actions}
    old = {(name, action) for name, action in used & allowed if pinned.ACTIONS[action].using in REMOVED_RUNTIMES}
    assert set() == allowed - old


def test_uv_has_one_version_everywhere_and_the_hashes_of_the_lock():
    lock = tomllib.loads(Path("uv.lock").read_text(encoding="utf-8"))
    (locked,) = (package for package in lock["package"] if package["name"] == "uv")
    pinned = Path(".ci/uv.txt").read_text(encoding="utf-8")
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    assert [locked["version"]] == re.findall(r"^uv==(\S+)", pinned, re.MULTILINE)
    assert f"uv=={locked['version']}" in project["dependency-groups"]["delivery"]
    assert {wheel["hash"] for wheel in locked["wheels"]} == set(re.findall(r"--hash=(\S+)", pinned))


def test_a_job_installs_uv_before_it_calls_it():
    setup = Path(".github/actions/setup/action.yml")
    steps = yaml.safe_load(setup.read_text(encoding="utf-8"))["runs"]["steps"]
    commands = [step["run"].split()[0] for step in steps if "run" in step]
    assert [INSTALL_UV, "uv", "uv"] == commands


def test_what_main_caches_is_what_a_pull_request_looks_for():
    texts = (path.read_text(encoding="utf-8") for path in (PULL_REQUEST.with_name("cache.yaml"), PULL_REQUEST))
    saved, restored = (set(re.findall(r"key: (dvc-\$\{\{.*?\}\})", text)) for text in texts)
    assert 1 == len(saved)
    assert saved == restored


def test_a_change_of_the_lock_is_audited_before_it_is_merged():
    audit = yaml.safe_load(Path(".github/workflows/audit.yaml").read_text(encoding="utf-8"))
    assert {"uv.lock", ".github/advisories.yaml"} < set(audit[True]["pull_request"]["paths"])
    assert ["uv run slipway audit"] == [step["run"] for step in audit["jobs"]["audit"]["steps"] if "run" in step]


def test_makefile_has_six_targets_at_most():
    (targets,) = re.findall(r"^\.PHONY: (.+)$", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert 6 >= len(targets.split())


def scripts() -> set[str]:
    """Every shell script that git knows, but those of findings/, which no job runs and a fork may delete."""
    tracked = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    files = (Path(name) for name in tracked if name and not Path(name).is_symlink())
    files = (file for file in files if file.parts[0] != "findings")
    return {str(file) for file in files if file.is_file() and re.match(rb"#!.*\b(ba|da|z)?sh\b", _start(file))}


def _start(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.readline(100)


def test_shellcheck_looks_at_every_script():
    assert scripts() <= {file for argument in jobs.LINTERS["shellcheck"] for file in map(str, Path().glob(argument))}


def hook() -> dict[str, Any]:
    """The one hook of pre-commit."""
    (repository,) = yaml.safe_load(Path(".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    (only,) = repository["hooks"]
    return only | {"repo": repository["repo"]}


def test_the_hook_before_a_commit_calls_the_verb_of_the_job_lint():
    lint = yaml.safe_load(PULL_REQUEST.read_text(encoding="utf-8"))["jobs"]["lint"]
    (verb,) = (step["run"].removeprefix("uv run ") for step in lint["steps"] if "run" in step)
    asked = (hook()["repo"], hook()["language"], hook()["entry"])
    assert ("local", "system", f".bootstrap/bin/uv run --frozen {verb}") == asked


@pytest.mark.parametrize("code", [0, 1])
def test_a_commit_is_made_only_if_the_hook_passes(tmp_path, code):
    shutil.copy(".pre-commit-config.yaml", tmp_path)
    uv = tmp_path / hook()["entry"].split()[0]
    uv.parent.mkdir(parents=True)
    uv.write_text(f'#!/bin/sh\n[ "$*" = "run --frozen slipway lint" ] && exit {code}\nexit 3\n', encoding="utf-8")
    uv.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env = clean | {"PRE_COMMIT_HOME": str(tmp_path / "home"), "GIT_CONFIG_GLOBAL": os.devnull}
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"]
    pre_commit = str(Path(sys.executable).parent / "pre-commit")
    for command in (["git", "init", "-q"], [pre_commit, "install"], ["git", "add", ".pre-commit-config.yaml"]):
        subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=True)
    commit = ["git", *identity, "commit", "-q", "-m", "All"]
    assert code == subprocess.run(commit, cwd=tmp_path, env=env, capture_output=True, check=False).returncode

"""The rules that every workflow of the template follows, and a seeded fault that violates each rule."""

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

from slipway.cli import app
from slipway.local import cml_install
from slipway.pull_request import jobs
from slipway.supply_chain.audit import REQUIREMENTS
from tests.workflows import expressions, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOWS = sorted(Path(".github/workflows").glob("*.yaml"))
PULL_REQUEST = Path(".github/workflows/pull-request.yaml")
PULL_REQUEST_CODE = PULL_REQUEST.with_name("pull-request-code.yaml")
ACTIONS = sorted(Path(".github/actions").glob("*/action.yml"))

REMOVED_RUNTIMES = {"node12", "node16", "node20"}
"""Action runtimes that GitHub removed. Its runners run such an action on a newer runtime, with a warning."""

OLD_RUNTIMES = {
    "dependency-review.yaml": {"actions/dependency-review-action": "v4.9.0 is the newest release"},
}
"""Reason for each action that a workflow uses on a removed runtime."""

SOURCES = {"iterative/cml": (f"v{cml_install.VERSION}", cml_install.COMMIT)}
"""Version and commit of each other repository that a workflow checks out."""

WRITERS = {
    "deploy.yaml": {
        "build": {"attestations", "contents", "id-token"},
        "image": {"attestations", "contents", "id-token", "packages"},
        **{job: {"contents", "id-token"} for job in ("staging", "production", "report")},
    },
    "cache.yaml": {"train": {"id-token"}},
    "docs.yaml": {"publish": {"id-token", "pages"}},
    "monitor.yaml": {"health": {"actions", "issues"}, "monitor": {"id-token"}},
    "notebooks.yaml": {"notebooks": {"id-token"}},
    "pull-request.yaml": {"data": {"id-token"}, "train": {"id-token"}},
    "pull-request-code.yaml": {"test": {"id-token"}},
    "pull-request-comment.yaml": {"comment": {"pull-requests"}, "required-status": {"statuses"}},
    "python-versions.yaml": {"python": {"id-token"}},
    "retrain.yaml": {"propose": {"actions", "contents", "id-token", "pull-requests"}, "train": {"id-token"}},
    "rollback.yaml": {"rollback": {"contents", "id-token"}},
    "scorecard.yaml": {"scorecard": {"security-events"}},
}
"""Write permissions by workflow and job; no other job has any."""

IDENTIFIED = ("actions/attest", "actions/deploy-pages")
"""Actions that show the identity token of their job to another service. A role in AWS is the other use of it."""

ROLES = {
    True: (
        "${{ (github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name =="
        " github.repository) && vars.AWS_PULL_REQUEST_ROLE || '' }}"
    ),
    False: "${{ vars.AWS_ROLE }}",
}
"""Role in AWS that a job assumes, by whether a pull request starts its workflow: it only reads, and forks get none."""

RESULTLESS = {"comment", "dependency-review", "health", "propose", "publish", "required", "required-status"}
"""Jobs that upload no results: they end with a status, a comment, an issue, a pull request or a site."""

PUSHING = re.compile(r"slipway (promote|propose|release publish|rollback)\b")
"""Commands that push with git; other commands that write call GitHub's API with their own token."""

REVIEWED_ENVIRONMENTS = {"staging", "production", "${{ inputs.environment }}"}
"""Environments for which docs/security.md recommends reviewers."""

OWN_RELEASE = "${{ github.sha }}"  # the release that was built from it

WITHOUT_FETCH = {
    *(
        "audit",
        "cml",
        "comment",
        "data",
        "docs",
        "lint",
        "mutants",
        "release comment",
        "report",
        "required",
        "required-status",
    ),
    *("test", "train"),
}
"""Commands that use the checkout only; every other command may fetch."""

CREDENTIALS = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "credential.helper",
    "GIT_CONFIG_VALUE_0": "!gh auth git-credential",
}

PRIVILEGED = {"issue_comment", "issues", "pull_request_review", "pull_request_target", "workflow_run"}
"""Triggers by which an external contributor starts a run with the permissions of `main`."""

INSTALL_UV = ".ci/install-uv"
"""The only command that installs a package outside uv.lock: uv itself."""

COMMENT = "pull-request-comment.yaml"
"""The only workflow with a privileged trigger."""

NEEDS = {
    "pull-request.yaml": {
        "data": [],
        "train": ["data"],
        "report": ["data", "train"],
        "required": ["data", "train", "report"],
    },
    "pull-request-code.yaml": {
        "lint": [],
        "test": [],
        "report": ["lint", "test"],
        "required": ["lint", "test", "report"],
    },
}
"""What each job of a pull request waits for."""


class Workflow:
    """A workflow or an action, as text and as data."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.content: dict[Any, Any] = yaml.safe_load(text)
        self.jobs: dict[str, dict[str, Any]] = self.content.get("jobs") or {}
        self.triggers = set(self.content.get(True) or ())  # YAML parses the key `on` as a boolean

    def steps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each step with the name of its job, or `action`."""
        for name, job in self.jobs.items():
            yield from ((name, step) for step in job.get("steps", []))
        yield from (("action", step) for step in self.content.get("runs", {}).get("steps", []))

    def groups(self, job: str) -> list[dict[str, Any]]:
        """Return the concurrency groups of a job: that of the workflow, and its own."""
        levels = (self.content.get("concurrency", {}), self.jobs[job].get("concurrency", {}))
        return [level for level in levels if "group" in level]

    def environment(self, job: str) -> str | None:
        """Return the name of a job's environment, which may also be a mapping with a URL."""
        environment = self.jobs[job].get("environment")
        return environment.get("name") if isinstance(environment, dict) else environment

    def writes(self, job: str) -> set[str]:
        """Return the scopes that a job has write access to."""
        permissions = self.jobs.get(job, {}).get("permissions", {})
        if isinstance(permissions, str):
            return {permissions} - {"read-all"}
        return {scope for scope, level in permissions.items() if level == "write"}

    def publishes(self, job: str) -> bool:
        """Return whether a job can change something on GitHub; an identity token alone changes nothing there."""
        return bool(self.writes(job) - {"id-token"})


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
    for job in filter(workflow.publishes, workflow.jobs):
        if any(group.get("cancel-in-progress") is not False for group in workflow.groups(job) or [{}]):
            yield f"{job}: has write access, and can be canceled midway"


def reviewers_block_one_job_only(workflow: Workflow) -> Iterator[str]:
    """A run holds its groups while it waits for reviewers, so a group of the workflow blocks the next build."""
    reviewed = [job for job in workflow.jobs if workflow.environment(job) in REVIEWED_ENVIRONMENTS]
    yield from (f"{job}: blocks the whole workflow" for job in reviewed if "concurrency" in workflow.content)
    groups = [workflow.jobs[job].get("concurrency", {}).get("group") for job in workflow.jobs]
    if reviewed and len(set(groups)) < len(groups):
        yield "two jobs have the same group"


def promotions_name_the_release_that_was_built(workflow: Workflow) -> Iterator[str]:
    """The newest release may come from another run, whose tests are not complete."""
    for job, step in workflow.steps():
        release = step.get("env", {}).get("SLIPWAY_RELEASE")
        if (
            re.search(r"slipway (promote|verify --before|image build)\b", step.get("run", ""))
            and release != OWN_RELEASE
        ):
            yield f"{job}: {step['run']} takes {release or 'the newest release'}"


def actions_are_pinned(workflow: Workflow) -> Iterator[str]:
    for line in re.findall(r"\buses: (.+)", workflow.text):
        if line.startswith("./"):
            continue
        match = re.fullmatch(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v[\d.]+)", line)
        action = pinned.ACTIONS.get(match[1]) if match else None
        if not match or not action or (action.version, action.commit) != (match[3], match[2]):
            yield f"not pinned to a listed commit with its version: {line}"


def actions_have_valid_inputs(workflow: Workflow) -> Iterator[str]:
    """A step passes only inputs of its action, and every required one."""
    for job, step in workflow.steps():
        inputs = pinned.inputs(step.get("uses", ""))
        passed = step.get("with", {}).keys()
        if inputs is not None:
            yield from (f"{job}: {step['uses']} has no input {name}" for name in passed - inputs.keys())
            required = {name for name, facts in inputs.items() if facts.missing_is_an_error}
            yield from (f"{job}: {step['uses']} requires {name}" for name in required - passed)


def outputs_exist(workflow: Workflow) -> Iterator[str]:
    """A workflow reads only existing outputs of actions; outputs of commands are unchecked."""
    for name, job in {**workflow.jobs, "action": workflow.content.get("runs", {})}.items():
        uses = {step["id"]: step.get("uses", "") for step in job.get("steps", []) if "id" in step}
        text = str(job) + str(workflow.content.get("outputs", "") if name == "action" else "")
        for step, output in re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", text):
            outputs = pinned.outputs(uses[step]) if step in uses else []
            if outputs is not None and output not in outputs:
                yield f"{name}: step {step} has no output {output}"


def runtimes_are_supported(workflow: Workflow) -> Iterator[str]:
    """GitHub's runners support the runtime of every action, except of those with a reason in OLD_RUNTIMES."""
    for job, step in workflow.steps():
        name = step.get("uses", "").split("@")[0]
        action = pinned.ACTIONS.get(name)
        if action and action.using in REMOVED_RUNTIMES and name not in OLD_RUNTIMES.get(workflow.name, {}):
            yield f"{job}: {name} runs on {action.using}, which GitHub's runners no longer support"


def credentials_persist_only_for_pushes(workflow: Workflow) -> Iterator[str]:
    pushing = {job for job, step in workflow.steps() if PUSHING.search(step.get("run", ""))}
    for job, step in workflow.steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            persisted = step.get("with", {}).get("persist-credentials")
            if persisted is not (job in pushing):
                yield f"{job}: persist-credentials is {persisted}"


def private_repositories_can_be_read(workflow: Workflow) -> Iterator[str]:
    """A command that fetches has the credentials of the checkout or of `gh`; an agent always needs the latter."""
    persisted = {job for job, step in workflow.steps() if step.get("with", {}).get("persist-credentials") is True}
    for job, step in workflow.steps():
        command = re.search(r"slipway ((?:release )?[\w-]+)", step.get("run", ""))
        if not command or command[1] in WITHOUT_FETCH or (job in persisted and command[1] != "agent"):
            continue
        env = step.get("env", {})
        if not CREDENTIALS.items() <= env.items() or "GH_TOKEN" not in env:
            yield f"{job}: {step['run']} cannot fetch from a private repository"


def privileged_triggers_start_one_workflow_only(workflow: Workflow) -> Iterator[str]:
    if workflow.name != COMMENT:
        yield from (f"started by {trigger}" for trigger in sorted(workflow.triggers & PRIVILEGED))


def privileged_triggers_use_trusted_code_only(workflow: Workflow) -> Iterator[str]:
    """A run with a privileged trigger checks out, downloads and restores nothing of an external contributor."""
    if not workflow.triggers & PRIVILEGED:
        return
    for job, step in workflow.steps():
        action = step.get("uses", "").split("@")[0]
        if {"ref", "repository"} & step.get("with", {}).keys():
            yield f"{job}: does not check out the default branch"
        if action.startswith(("actions/cache", "actions/download-artifact")):
            yield f"{job}: {action} unpacks an archive of an external contributor"


def other_sources_are_pinned(workflow: Workflow) -> Iterator[str]:
    """A checkout of another repository has a commit, which git verifies, and its version."""
    for _, step in workflow.steps():
        inputs = step.get("with", {})
        if step.get("uses", "").startswith("actions/checkout@") and "repository" in inputs:
            version, commit = SOURCES.get(inputs["repository"], ("", ""))
            if inputs.get("ref") != commit or f"ref: {commit} # {version}\n" not in workflow.text:
                yield f"{inputs['repository']}: {inputs.get('ref')} is not a listed commit with its version"


def steps_are_one_line(workflow: Workflow) -> Iterator[str]:
    yield from (f"{job}: {step['run']}" for job, step in workflow.steps() if "\n" in step.get("run", "").strip())


def steps_call_the_command_line(workflow: Workflow) -> Iterator[str]:
    """A step runs a command that also runs on a laptop. Packages come from the lock, and uv from its pinned hashes."""
    for job, step in workflow.steps():
        command = re.sub(r"\$\{\{.*?\}\}", "", step.get("run", "uv run slipway"))
        if command != INSTALL_UV and not re.match(r'uv (run slipway|sync --frozen)([\w\s./=:$-]|"\$\w+")*$', command):
            yield f"{job}: {step['run']}"


def uv_is_installed_by_hash(workflow: Workflow) -> Iterator[str]:
    """No action installs uv, because `setup-uv` verifies only the versions that it lists."""
    for job, step in workflow.steps():
        action = step.get("uses", "").split("@")[0]
        if "uv" in re.split(r"\W", action):
            yield f"{job}: {action} may download uv without verifying it; use {INSTALL_UV}"


def commands_contain_no_expressions(workflow: Workflow) -> Iterator[str]:
    """The shell would execute an expression with untrusted text, such as a title; it does not execute a variable."""
    yield from (f"{job}: {step['run']}" for job, step in workflow.steps() if "${{" in step.get("run", ""))


def expressions_mean_the_same_under_act(workflow: Workflow) -> Iterator[str]:
    """An expression has the same value under act and on GitHub."""
    for expression in expressions.of(workflow.content):
        yield from (f"{expression}: {difference}" for difference in expressions.differences(expression))


def pull_requests_see_no_secret(workflow: Workflow) -> Iterator[str]:
    if "pull_request" in workflow.triggers and re.search(r"\bsecrets\b", workflow.text):
        yield "a secret in a workflow of pull requests"


def identity_tokens_have_a_use(workflow: Workflow) -> Iterator[str]:
    """A job can request an identity token exactly if a step of it needs one."""
    for job in workflow.jobs:
        steps = [step for name, step in workflow.steps() if name == job]
        needed = any(
            "aws-role" in step.get("with", {}) or step.get("uses", "").startswith(IDENTIFIED) for step in steps
        )
        if needed is not ("id-token" in workflow.writes(job)):
            yield f"{job}: {'needs an' if needed else 'has an unused'} identity token"


def forks_assume_no_role(workflow: Workflow) -> Iterator[str]:
    for job, step in workflow.steps():
        role = step.get("with", {}).get("aws-role")
        if role not in {None, ROLES["pull_request" in workflow.triggers]}:
            yield f"{job}: assumes {role}"


def publishing_jobs_use_no_cache(workflow: Workflow) -> Iterator[str]:
    for job, step in workflow.steps():
        action, inputs = step.get("uses", "").split("@")[0], step.get("with", {})
        caches = action.startswith("actions/cache") or inputs.get("enable-cache") or "cache" in inputs
        if caches and workflow.publishes(job):
            yield f"{job}: {action} restores or saves a cache, and the job publishes"


def downloads_have_a_fixed_destination(workflow: Workflow) -> Iterator[str]:
    """A single match of a pattern goes to the path, several go to subfolders, unless they are merged."""
    for job, step in workflow.steps():
        downloads, inputs = step.get("uses", "").startswith("actions/download-artifact@"), step.get("with", {})
        if downloads and "name" not in inputs and inputs.get("merge-multiple") is not True:
            yield f"{job}: the destination of {inputs.get('pattern', 'all artifacts')} depends on the number of matches"


def cache_keys_exclude_bytecode(workflow: Workflow) -> Iterator[str]:
    """Bytecode contains the time of the checkout, so a key that includes it never matches twice."""
    for key in re.findall(r"hashFiles\((.*?)\)", workflow.text):
        for pattern in re.findall(r"'(.*?)'", key):
            if fnmatchcase("src/slipway/__pycache__/jobs.cpython-312.pyc", pattern):
                yield f"{pattern} includes bytecode"


def sites_are_named_by_attempt(workflow: Workflow) -> Iterator[str]:
    """`deploy-pages` rejects two artifacts of the same name, and a re-run of the job uploads a second one."""
    for job, step in workflow.steps():
        action, inputs = step.get("uses", "").split("@")[0], step.get("with", {})
        if action == "actions/upload-pages-artifact" and "github.run_attempt" not in inputs.get("name", ""):
            yield f"{job}: a second attempt uploads another artifact of the same name"
        if action == "actions/deploy-pages" and "needs." not in inputs.get("artifact_name", ""):
            yield f"{job}: deploys an artifact by a fixed name, which an earlier attempt may not have uploaded"


def ignores_carry_a_reason(workflow: Workflow) -> Iterator[str]:
    for line in workflow.text.splitlines():
        if re.search(r"zizmor: ignore(?!\[[\w-]+\] \w+ \w+)", line):
            yield f"no reason: {line.strip()}"


def jobs_upload_their_result(workflow: Workflow) -> Iterator[str]:
    for name, job in workflow.jobs.items():
        uploads = [step for step in job.get("steps", []) if step.get("uses", "").startswith("actions/upload-artifact@")]
        if name not in RESULTLESS and not any(step.get("if") == "always()" for step in uploads):
            yield f"{name}: does not upload its result if it fails"


def everything_is_required(workflow: Workflow) -> Iterator[str]:
    if "required" in workflow.jobs:
        required = workflow.jobs["required"]
        if set(required.get("needs", [])) != workflow.jobs.keys() - {"required"} or required.get("if") != "always()":
            yield "`required` does not wait for every job regardless of its result"


def a_merge_queue_gets_the_required_status(workflow: Workflow) -> Iterator[str]:
    if "required" in workflow.jobs and "merge_group" not in workflow.triggers:
        yield "a merge queue never receives the status `required`"


def commands_exist(workflow: Workflow) -> Iterator[str]:
    commands = get_command(app).commands
    for job, step in workflow.steps():
        for name in re.findall(r"\bslipway ([\w-]+)", step.get("run", "")):
            if name not in commands:
                yield f"{job}: slipway has no command {name}"


RULES = [
    permissions_start_at_none,
    permissions_are_widened_per_job,
    permissions_carry_a_reason,
    jobs_have_timeouts,
    runs_do_not_collide,
    promotions_are_not_cancelled,
    reviewers_block_one_job_only,
    promotions_name_the_release_that_was_built,
    actions_are_pinned,
    actions_have_valid_inputs,
    outputs_exist,
    runtimes_are_supported,
    credentials_persist_only_for_pushes,
    private_repositories_can_be_read,
    privileged_triggers_start_one_workflow_only,
    privileged_triggers_use_trusted_code_only,
    other_sources_are_pinned,
    steps_are_one_line,
    steps_call_the_command_line,
    uv_is_installed_by_hash,
    commands_contain_no_expressions,
    expressions_mean_the_same_under_act,
    pull_requests_see_no_secret,
    identity_tokens_have_a_use,
    forks_assume_no_role,
    publishing_jobs_use_no_cache,
    downloads_have_a_fixed_destination,
    cache_keys_exclude_bytecode,
    sites_are_named_by_attempt,
    ignores_carry_a_reason,
    jobs_upload_their_result,
    everything_is_required,
    a_merge_queue_gets_the_required_status,
    commands_exist,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=str)
def test_workflow_follows_the_rule(path, rule):
    assert [] == list(rule(read(path)))


WORKFLOW_GROUP = "concurrency:\n  group: deploy\n  cancel-in-progress: false\n"
FAULTS = [
    (permissions_start_at_none, "pull-request.yaml", "permissions: {}", "permissions: read-all"),
    (permissions_are_widened_per_job, "pull-request.yaml", "contents: read # checkout", "contents: write # why not"),
    (
        permissions_are_widened_per_job,
        "deploy.yaml",
        "contents: write # pushes the release",
        "packages: write # pushes",
    ),
    (permissions_are_widened_per_job, COMMENT, "pull-requests: read # verifies", "pull-requests: write # verifies"),
    (permissions_are_widened_per_job, COMMENT, "statuses: write", "checks: write"),
    (permissions_carry_a_reason, "pull-request.yaml", "contents: read # checkout", "contents: read"),
    (jobs_have_timeouts, "pull-request.yaml", "    timeout-minutes: 10\n", ""),
    (runs_do_not_collide, "pull-request.yaml", "  group: pull-request-", "  name: pull-request-"),
    (runs_do_not_collide, "deploy.yaml", "      group: deploy-build\n", ""),
    (permissions_are_widened_per_job, "deploy.yaml", "packages: read # pulls", "packages: write # pulls"),
    (promotions_are_not_cancelled, "deploy.yaml", "cancel-in-progress: false", "cancel-in-progress: true"),
    (reviewers_block_one_job_only, "deploy.yaml", "jobs:\n", f"{WORKFLOW_GROUP}jobs:\n"),
    (reviewers_block_one_job_only, "rollback.yaml", "jobs:\n", f"{WORKFLOW_GROUP}jobs:\n"),
    (reviewers_block_one_job_only, "deploy.yaml", "group: deploy-production", "group: deploy-staging"),
    (promotions_name_the_release_that_was_built, "deploy.yaml", "          SLIPWAY_RELEASE: ", "          RELEASE: "),
    (
        promotions_name_the_release_that_was_built,
        "deploy.yaml",
        "run: uv run slipway promote --environment staging\n        env:",
        "run: uv run slipway promote --environment staging\n        with:",
    ),
    (actions_are_pinned, "pull-request.yaml", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"),
    (actions_are_pinned, "pull-request.yaml", "ba90b1 # v7.0.1", "ba90b1 # v7.0.0"),
    (actions_are_pinned, "pull-request.yaml", "ba90b1 # v7.0.1", "ba90b2 # v7.0.1"),
    (actions_are_pinned, "pull-request.yaml", "actions/checkout@", "someone/checkout@"),
    (actions_have_valid_inputs, "pull-request.yaml", "persist-credentials: false", "keep-credentials: false"),
    (actions_have_valid_inputs, "cache.yaml", "          path: .dvc/cache\n", ""),
    (actions_have_valid_inputs, "deploy.yaml", "groups: --group", "group: --group"),
    (outputs_exist, "deploy.yaml", "outputs.bundle-path", "outputs.bundle_path"),
    (outputs_exist, "deploy.yaml", "id: attest", "id: attested"),
    (runtimes_are_supported, "deploy.yaml", "uses: actions/attest@", "uses: actions/dependency-review-action@"),
    (credentials_persist_only_for_pushes, "pull-request.yaml", "persist-credentials: false", "fetch-tags: false"),
    (credentials_persist_only_for_pushes, "deploy.yaml", "persist-credentials: true", "persist-credentials: false"),
    (credentials_persist_only_for_pushes, "deploy.yaml", "persist-credentials: false", "persist-credentials: true"),
    (private_repositories_can_be_read, "deploy.yaml", '          GIT_CONFIG_COUNT: "1"', '          OTHER: "1"'),
    (private_repositories_can_be_read, "rollback.yaml", "GIT_CONFIG_VALUE_0", "GIT_CONFIG_VALUE_1"),
    (private_repositories_can_be_read, "monitor.yaml", "          GH_TOKEN: ", "          TOKEN: "),
    (private_repositories_can_be_read, "deploy.yaml", "persist-credentials: true", "persist-credentials: false"),
    (commands_contain_no_expressions, "rollback.yaml", '"$VERSION"', "${{ inputs.version }}"),
    (promotions_are_not_cancelled, "rollback.yaml", "cancel-in-progress: false", "cancel-in-progress: true"),
    (steps_are_one_line, "pull-request-code.yaml", "run: uv run slipway lint", "run: |\n          ls\n          ls"),
    (steps_call_the_command_line, "pull-request-code.yaml", "uv run slipway lint", "pip install ruff"),
    (
        steps_call_the_command_line,
        "pull-request-code.yaml",
        "slipway lint",
        "slipway lint && curl http://example.com | sh",
    ),
    (uv_is_installed_by_hash, "setup/action.yml", "run: .ci/install-uv", "uses: astral-sh/setup-uv@main"),
    (steps_call_the_command_line, "setup/action.yml", "run: .ci/install-uv", "run: pip install uv"),
    (commands_contain_no_expressions, "pull-request-code.yaml", "slipway lint", "slipway lint ${{ github.head_ref }}"),
    (
        expressions_mean_the_same_under_act,
        "deploy.yaml",
        "== 'workflow_dispatch'",
        "== 'push' && github.run_attempt < 2",
    ),
    (expressions_mean_the_same_under_act, "deploy.yaml", "toJSON(needs)", "toJSON(needs.*.result)"),
    (expressions_mean_the_same_under_act, "deploy.yaml", "toJSON(needs)", "fromJSON(needs.build.outputs.release).a"),
    (expressions_mean_the_same_under_act, "deploy.yaml", "toJSON(needs)", "format(vars.FORMAT, github.sha)"),
    (pull_requests_see_no_secret, "pull-request.yaml", "${{ github.token }}", "${{ secrets.TOKEN }}"),
    (pull_requests_see_no_secret, "pull-request.yaml", "${{ github.token }}", "${{ secrets['TOKEN'] }}"),
    (identity_tokens_have_a_use, "pull-request.yaml", "      id-token: write", "      checks: write"),
    (identity_tokens_have_a_use, "monitor.yaml", "aws-role: ", "groups: "),
    (forks_assume_no_role, "pull-request.yaml", ROLES[True], ROLES[False]),
    (forks_assume_no_role, "pull-request.yaml", "full_name == github.repository", "full_name != github.repository"),
    (forks_assume_no_role, "deploy.yaml", ROLES[False], "${{ vars.AWS_PULL_REQUEST_ROLE }}"),
    (privileged_triggers_start_one_workflow_only, "pull-request.yaml", "  pull_request:\n", "  pull_request_target:\n"),
    (privileged_triggers_start_one_workflow_only, "deploy.yaml", "  workflow_dispatch:\n", "  issue_comment:\n"),
    (privileged_triggers_use_trusted_code_only, COMMENT, "persist-credentials: false", "ref: refs/pull/1/merge"),
    (
        privileged_triggers_use_trusted_code_only,
        COMMENT,
        "uses: ./.github/actions/cml",
        "uses: actions/download-artifact@x",
    ),
    (other_sources_are_pinned, "cml/action.yml", "a3a66c74b218b08710f42bf599b066e37cb4cba7", "v0.20.6"),
    (other_sources_are_pinned, "cml/action.yml", "a3a66c74b218b08710f42bf599b066e37cb4cba7", "${{ github.sha }}"),
    (other_sources_are_pinned, "cml/action.yml", "repository: iterative/cml", "repository: someone/cml"),
    (other_sources_are_pinned, "cml/action.yml", "# v0.20.6", "# v0.20.5"),
    (publishing_jobs_use_no_cache, "deploy.yaml", "overwrite: true", "cache: pip"),
    (publishing_jobs_use_no_cache, "deploy.yaml", "actions/upload-artifact@", "actions/cache/save@"),
    (publishing_jobs_use_no_cache, COMMENT, "persist-credentials: false", "enable-cache: true"),
    (downloads_have_a_fixed_destination, "pull-request.yaml", "merge-multiple: true", "merge-multiple: false"),
    (downloads_have_a_fixed_destination, "deploy.yaml", "name: results-build # by", "pattern: results-* # by"),
    (cache_keys_exclude_bytecode, "pull-request.yaml", "'src/**/*.py'", "'src/**'"),
    (cache_keys_exclude_bytecode, "cache.yaml", "'src/**/*.py'", "'**/*'"),
    (sites_are_named_by_attempt, "docs.yaml", "name: github-pages-${{ github.run_attempt }}\n", "name: github-pages\n"),
    (sites_are_named_by_attempt, "docs.yaml", "artifact_name: ${{ needs.docs.outputs.site }}", "artifact_name: site"),
    (a_merge_queue_gets_the_required_status, "pull-request.yaml", "  merge_group:\n", ""),
    (ignores_carry_a_reason, "deploy.yaml", "ignore[artipacked] pushes the promotion", "ignore[artipacked]"),
    (ignores_carry_a_reason, "deploy.yaml", "ignore[artipacked] pushes", "ignore"),
    (jobs_upload_their_result, "pull-request.yaml", "        if: always()\n", ""),
    (everything_is_required, "pull-request.yaml", "needs: [data, train, report]", "needs: [report]"),
    (everything_is_required, "pull-request-code.yaml", "needs: [lint, test, report]", "needs: [test, report]"),
    (everything_is_required, "pull-request.yaml", "if: always() # a skipped job", "if: success() #"),
    (commands_exist, "pull-request-code.yaml", "slipway lint", "slipway lnt"),
]


@pytest.mark.parametrize(("rule", "file", "text", "fault"), FAULTS)
def test_rule_catches_its_fault(rule, file, text, fault):
    folder = Path(".github/actions" if file.endswith("/action.yml") else ".github/workflows")
    content = (folder / file).read_text(encoding="utf-8")
    assert text in content
    assert list(rule(Workflow(file, content.replace(text, fault, 1))))


def needs(workflow: Workflow) -> dict[str, list[str]]:
    return {name: job.get("needs", []) for name, job in workflow.jobs.items()}


@pytest.mark.parametrize("file", NEEDS)
def test_job_of_a_pull_request_waits_only_for_what_makes_it_pointless(file):
    assert NEEDS[file] == needs(read(PULL_REQUEST.with_name(file)))


def test_comment_follows_every_check_of_a_pull_request():
    names = {read(PULL_REQUEST.with_name(file)).content["name"] for file in NEEDS}
    assert names == set(read(PULL_REQUEST.with_name(COMMENT)).content[True]["workflow_run"]["workflows"])


def test_no_two_workflows_share_a_group():
    """GitHub ignores the case of a group, and compares groups across the workflows of a repository."""
    files: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        workflow = Workflow(path.name, path.read_text(encoding="utf-8"))
        for group in (group["group"].lower() for job in workflow.jobs for group in workflow.groups(job)):
            files.setdefault(group, set()).add(path.name)
    assert [] == [group for group, names in files.items() if len(names) > 1]


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


def test_setup_installs_uv_before_it_calls_it():
    setup = Path(".github/actions/setup/action.yml")
    steps = yaml.safe_load(setup.read_text(encoding="utf-8"))["runs"]["steps"]
    commands = [step["run"].split()[0] for step in steps if "run" in step]
    assert [INSTALL_UV, "uv", "uv"] == commands


def test_pull_requests_restore_the_cache_of_main():
    files = (PULL_REQUEST.with_name("cache.yaml"), PULL_REQUEST)
    saved, restored = (set(re.findall(r"key: (dvc-\$\{\{.*?\}\})", file.read_text(encoding="utf-8"))) for file in files)
    assert 1 == len(saved)
    assert saved == restored


def test_change_of_the_lock_is_audited_before_the_merge():
    workflow = yaml.safe_load(Path(".github/workflows/audit.yaml").read_text(encoding="utf-8"))
    paths = workflow[True]["pull_request"]["paths"]
    assert {"uv.lock", ".github/advisories.yaml"} < set(paths)
    assert all(any(locked.match(path) for path in paths) for locked in REQUIREMENTS)
    assert ["uv run slipway audit"] == [step["run"] for step in workflow["jobs"]["audit"]["steps"] if "run" in step]


def test_makefile_has_at_most_six_targets():
    (targets,) = re.findall(r"^\.PHONY: (.+)$", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(targets.split()) <= 6


def scripts() -> set[str]:
    """Return every shell script in git. No page is one, no job runs those in findings/, and a fork may delete them."""
    tracked = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    files = (Path(name) for name in tracked if name and not Path(name).is_symlink())
    files = (file for file in files if file.parts[0] not in {"docs", "findings"} and file.suffix != ".md")
    return {str(file) for file in files if file.is_file() and re.match(rb"#!.*\b(ba|da|z)?sh\b", _start(file))}


def _start(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.readline(100)


def test_shellcheck_checks_every_script():
    assert scripts() <= {file for argument in jobs.LINTERS["shellcheck"] for file in map(str, Path().glob(argument))}


def hook() -> dict[str, Any]:
    """Return the only hook of pre-commit."""
    (repository,) = yaml.safe_load(Path(".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    (entry,) = repository["hooks"]
    return entry | {"repo": repository["repo"]}


def test_pre_commit_hook_calls_the_command_of_the_job_lint():
    lint = yaml.safe_load(PULL_REQUEST_CODE.read_text(encoding="utf-8"))["jobs"]["lint"]
    (command,) = (step["run"].removeprefix("uv run ") for step in lint["steps"] if "run" in step)
    configured = (hook()["repo"], hook()["language"], hook()["entry"])
    assert ("local", "system", f".bootstrap/bin/uv run --frozen {command}") == configured


@pytest.mark.parametrize("code", [0, 1])
def test_commit_succeeds_only_if_the_hook_passes(tmp_path, code):
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

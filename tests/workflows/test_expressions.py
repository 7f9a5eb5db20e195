"""The values of the workflows' expressions, by GitHub's own implementation and under act."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.workflows import expressions
from tests.workflows.languageservice import run_script
from tests.workflows.test_policy import ACTIONS, WORKFLOWS, read

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXTS = ("env", "github", "inputs", "job", "matrix", "needs", "runner", "secrets", "steps", "strategy", "vars")
EMPTY: dict[str, Any] = {name: {} for name in CONTEXTS}
STATUS = {"always()": "true", "success()": "true", "cancelled()": "false", "failure()": "false", "!cancelled()": "true"}
"""Values of the status functions in a run without a failure or cancellation."""

PUBLIC = {"private": False, "visibility": "public", "fork": False}
PRIVATE = {"private": True, "visibility": "private", "fork": False}
FORK = PUBLIC | {"fork": True}


def of(repository: dict[str, Any], **variables: str) -> dict[str, Any]:
    return {"github": {"event": {"repository": repository}}, "vars": variables}


def on(branch: str, event: str = "push", **variables: str) -> dict[str, Any]:
    return {"github": {"ref": f"refs/heads/{branch}", "event_name": event}, "vars": variables}


def agent(environment: str, **variables: str) -> dict[str, Any]:
    return {"inputs": {"environment": environment}, "vars": variables}


def finished(event: str, conclusion: str) -> dict[str, Any]:
    return {"github": {"event": {"workflow_run": {"event": event, "conclusion": conclusion}}}}


COMPLETED = """!contains(fromJSON('["action_required", "skipped", "stale"]'), github.event.workflow_run.conclusion)"""
Rows = list[tuple[dict[str, Any], str]]


def pull_request_of(repository: str | None) -> dict[str, Any]:
    """Return the contexts of a pull request whose branch is in `repository`, None if it was deleted."""
    repo = repository and {"full_name": repository}
    github = {"event_name": "pull_request", "event": {"pull_request": {"head": {"repo": repo}}}}
    return {"github": github | {"repository": "team/flights"}, "vars": {"AWS_PULL_REQUEST_ROLE": "arn"}}


DECISIONS: dict[str, Rows] = {
    "env.SLIPWAY_ATTESTED == 'true' && steps.build.outputs.built == 'true'": [
        ({"env": {"SLIPWAY_ATTESTED": "true"}, "steps": {"build": {"outputs": {"built": "true"}}}}, "true"),
        ({"env": {"SLIPWAY_ATTESTED": "false"}, "steps": {"build": {"outputs": {"built": "true"}}}}, "false"),
        ({"env": {"SLIPWAY_ATTESTED": "true"}, "steps": {"build": {"outputs": {}}}}, "false"),
    ],
    "env.SLIPWAY_ATTESTED == 'true' && steps.image.outputs.built == 'true'": [
        ({"env": {"SLIPWAY_ATTESTED": "true"}, "steps": {"image": {"outputs": {"built": "true"}}}}, "true"),
        ({"env": {"SLIPWAY_ATTESTED": "true"}, "steps": {"image": {"outputs": {"built": "false"}}}}, "false"),
        ({"env": {"SLIPWAY_ATTESTED": "true"}, "steps": {"image": {"outputs": {}}}}, "false"),
    ],
    "(github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository)"
    " && vars.AWS_PULL_REQUEST_ROLE || ''": [
        (pull_request_of("team/flights"), "arn"),
        (pull_request_of("fork/flights"), ""),
        (pull_request_of(None), ""),
        (on("topic", "workflow_dispatch", AWS_PULL_REQUEST_ROLE="arn"), "arn"),
        (on("topic", "workflow_dispatch"), ""),
    ],
    "github.event.pull_request.number || github.ref": [
        ({"github": {"event": {"pull_request": {"number": 7}}, "ref": "refs/pull/7/merge"}}, "7"),
        (on("topic"), "refs/heads/topic"),
    ],
    "github.event.repository.visibility == 'public'": [(of(PUBLIC), "true"), (of(PRIVATE), "false"), ({}, "false")],
    f'contains(fromJSON(\'["pull_request", "workflow_dispatch"]\'), github.event.workflow_run.event) && {COMPLETED}': [
        (finished("pull_request", "success"), "true"),
        (finished("workflow_dispatch", "failure"), "true"),
        (finished("push", "success"), "false"),
        (finished("pull_request", "action_required"), "false"),
        (finished("pull_request", "skipped"), "false"),
    ],
    f"github.event.workflow_run.event == 'workflow_dispatch' && {COMPLETED}": [
        (finished("workflow_dispatch", "success"), "true"),
        (finished("workflow_dispatch", "cancelled"), "true"),
        (finished("pull_request", "success"), "false"),
        (finished("workflow_dispatch", "stale"), "false"),
    ],
    "github.ref == 'refs/heads/main'": [(on("main"), "true"), (on("topic"), "false")],
    "github.ref == 'refs/heads/main' && vars.PAGES == 'true'": [
        (on("main"), "false"),
        (on("main", PAGES="true"), "true"),
        (on("topic", PAGES="true"), "false"),
    ],
    "inputs.aws-role != ''": [({"inputs": {"aws-role": "arn"}}, "true"), ({"inputs": {"aws-role": ""}}, "false")],
    "inputs.checks == 'true'": [({"inputs": {"checks": "true"}}, "true"), ({"inputs": {"checks": "false"}}, "false")],
    "inputs.environment == 'production' && vars.PRODUCTION_URL == '' || "
    "inputs.environment == 'staging' && vars.STAGING_URL == ''": [
        (agent("production"), "true"),
        (agent("staging"), "true"),
        (agent("production", PRODUCTION_URL="https://production.example"), "false"),
        (agent("staging", PRODUCTION_URL="https://production.example"), "true"),
        (agent("staging", STAGING_URL="https://staging.example"), "false"),
    ],
    "inputs.trigger || 'schedule'": [({}, "schedule"), ({"inputs": {"trigger": "drift"}}, "drift")],
    **{
        f"needs.{job}.result != 'skipped'": [
            ({"needs": {job: {"result": "failure"}}}, "true"),
            ({"needs": {job: {"result": "skipped"}}}, "false"),
        ]
        for job in ("build", "image", "monitor", "production", "staging")
    },
    "needs.train.outputs.proposal == 'true'": [
        ({"needs": {"train": {"outputs": {"proposal": "true"}}}}, "true"),
        ({"needs": {"train": {"outputs": {}}}}, "false"),
    ],
    "steps.app.outputs.token || github.token": [
        ({"github": {"token": "built-in"}}, "built-in"),
        ({"github": {"token": "built-in"}, "steps": {"app": {"outputs": {"token": "app"}}}}, "app"),
    ],
    "steps.retrain.outputs.proposal == 'true'": [
        ({"steps": {"retrain": {"outputs": {"proposal": "true"}}}}, "true"),
        ({"steps": {"retrain": {"outputs": {}}}}, "false"),
    ],
    "vars.APPROVAL != 'manual' || github.event_name == 'workflow_dispatch'": [
        (on("main"), "true"),
        (on("main", APPROVAL="manual"), "false"),
        (on("main", "workflow_dispatch", APPROVAL="manual"), "true"),
    ],
    "vars.ATTEST || !github.event.repository.private": [
        (of(PUBLIC), "true"),
        (of(PRIVATE), "false"),
        (of(PUBLIC, ATTEST="false"), "false"),
        (of(PRIVATE, ATTEST="true"), "true"),
    ],
    "vars.DEPENDENCY_REVIEW == 'true' || "
    "(github.event.repository.visibility == 'public' && !github.event.repository.fork)": [
        (of(PUBLIC), "true"),
        (of(FORK), "false"),
        (of(PRIVATE), "false"),
        (of(PRIVATE, DEPENDENCY_REVIEW="true"), "true"),
        (of(FORK, DEPENDENCY_REVIEW="true"), "true"),
    ],
    "vars.DEPLOY_RUNNER || 'ubuntu-latest'": [({}, "ubuntu-latest"), ({"vars": {"DEPLOY_RUNNER": "near"}}, "near")],
    "vars.PRODUCTION_URL == ''": [({}, "true"), ({"vars": {"PRODUCTION_URL": "https://production.example"}}, "false")],
    "vars.RETRAIN_APP != ''": [
        ({}, "false"),
        ({"vars": {"RETRAIN_APP": ""}}, "false"),
        ({"vars": {"RETRAIN_APP": "1"}}, "true"),
    ],
    "vars.SLIPWAY_IMAGES || 'ghcr:'": [({}, "ghcr:"), ({"vars": {"SLIPWAY_IMAGES": "none"}}, "none")],
    "vars.SLIPWAY_STORE || 'github:'": [({}, "github:"), ({"vars": {"SLIPWAY_STORE": "s3://bucket"}}, "s3://bucket")],
    "vars.STAGING_URL == ''": [({}, "true"), ({"vars": {"STAGING_URL": "https://staging.example"}}, "false")],
    "vars.TRAIN_RUNNER || 'ubuntu-latest'": [({}, "ubuntu-latest"), ({"vars": {"TRAIN_RUNNER": "large"}}, "large")],
}
"""Contexts and expected value of every condition and choice, by expression."""

ROWS = [(expression, contexts, result) for expression, rows in DECISIONS.items() for contexts, result in rows]


def deciding() -> Iterator[str]:
    """Yield conditions and choices between values, with normalized spaces and without status functions."""
    for path in [*WORKFLOWS, *ACTIONS]:
        content = read(path).content
        conditions = {condition for node in _nodes(content) for condition in expressions.of({"if": node.get("if")})}
        for expression in expressions.of(content):
            if expression in conditions or re.search(r"\|\||&&", expression):
                rest = [word for word in re.split(r"\s+&&\s+", " ".join(expression.split())) if word not in STATUS]
                yield from [" && ".join(rest)] * bool(rest)


def _nodes(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in [*content.get("jobs", {}).values(), content.get("runs", {})]:
        yield job
        yield from job.get("steps", [])


def on_github(rows: list[tuple[str, dict[str, Any]]]) -> list[dict[str, str]]:
    """Return the value of each expression in its contexts, by GitHub's implementation."""
    return run_script("evaluate.mjs", [{"expression": text, "contexts": EMPTY | contexts} for text, contexts in rows])


def under_act(rows: list[tuple[str, dict[str, Any]]], folder: Path) -> list[dict[str, str]]:
    """Return the value of each expression in its contexts under act, which reads the contexts from its event."""
    values = {f"VALUE_{row}": f"${{{{ {_in_event(text, row)} }}}}" for row, (text, _) in enumerate(rows)}
    dump = f'{sys.executable} -c \'import json, os; json.dump(dict(os.environ), open("values.json", "w"))\''
    job = {"runs-on": "ubuntu-latest", "env": values, "steps": [{"run": dump, "working-directory": str(folder)}]}
    event = {f"row{row}": EMPTY | contexts for row, (_, contexts) in enumerate(rows)}
    (folder / "workflow.yaml").write_text(yaml.safe_dump({"on": "push", "jobs": {"evaluate": job}}))
    (folder / "event.json").write_text(json.dumps(event))
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    act = [
        str(Path(sys.executable).parent / "act"),
        "push",
        "--workflows",
        "workflow.yaml",
        "--eventpath",
        "event.json",
    ]
    done = subprocess.run(
        [*act, "--platform", "ubuntu-latest=-self-hosted"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    evaluated = json.loads((folder / "values.json").read_text())
    return [{"text": evaluated[name]} for name in values]


def _in_event(expression: str, row: int) -> str:
    """Return the expression with each context replaced by its copy in the event."""
    name = rf"{expressions.QUOTED.pattern}|(?<![\w.])(?:{'|'.join(CONTEXTS)})\b"
    return re.sub(
        name, lambda match: match[0] if match[0][0] == "'" else f"github.event.row{row}.{match[0]}", expression
    )


def test_table_has_two_values_of_every_condition_and_choice():
    assert set(deciding()) == {text for text, rows in DECISIONS.items() if len({result for _, result in rows}) > 1}


def test_github_evaluates_to_the_expected_values():
    values = on_github([(expression, contexts) for expression, contexts, _ in ROWS])
    assert [{"text": result} for *_, result in ROWS] == values


def test_act_evaluates_every_expression_like_github(tmp_path):
    used = {expression for path in [*WORKFLOWS, *ACTIONS] for expression in expressions.of(read(path).content)}
    plain = sorted(text for text in used if not re.search(r"hashFiles\(|(always|success|cancelled|failure)\(\)", text))
    rows = [*((text, contexts) for text, contexts, _ in ROWS), *((text, {}) for text in plain)]
    assert on_github(rows) == under_act(rows, tmp_path)


DIFFERENT = [
    ("fromJSON(vars.NONE)", "fromJSON of"),
    ("fromJSON(vars.NONE || '').a", "fromJSON of"),
    ("toJSON(vars.*.name)", "`.*`"),
    ('toJSON(fromJSON(vars.LIST || \'{"a": {"b": 1}}\').*.b)', "`.*`"),
    ("vars.NUMBER == 1", "is a number"),
    ("1 <= vars.NUMBER", "is a number"),
    ("'+1' == 1", "is a number"),
    ("'.5' == 0.5", "is a number"),
    ("vars.NUMBER > .5", "is a number"),
    *(
        (f"github.run_attempt == '{text}'", "is a number")
        for text in ("+1", ".5", "5.", "01", "0X1", "0o7", "1e+3", " 1", " ")
    ),
    ("format(vars.FORMAT)", "a format"),
    ("FORMAT(github.event_name, 'a')", "a format"),
]
SAME = [
    "vars.VERSION == '1'",
    "vars.NAME == 'a.*'",
    "vars.VERSION == '1.0' || vars.VERSION == '0' || vars.VERSION == '0.5' || vars.VERSION == '10'",
    "vars.NAME == '.github' || vars.NAME == '+x y' || vars.NAME == ''",
    "fromJSON(vars.LIST || '[]')",
    "fromJSON('[1, 2]')[0]",
    "format('{0} (1 < 2)', github.sha)",
    "toJSON(needs)",
    "inputs.v2 == 'x' || steps.step1.outputs.a2 == ''",
]


@pytest.mark.parametrize(("expression", "reason"), DIFFERENT)
def test_expression_that_act_evaluates_differently_is_reported(expression, reason):
    assert [True] == [reason in difference for difference in expressions.differences(expression)]


@pytest.mark.parametrize("expression", SAME)
def test_equivalent_expression_is_not_reported(expression):
    assert [] == list(expressions.differences(expression))

"""The description of each pinned action, and the stand-in that replaces it under act with the same interface."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.local.act import STANDINS
from tests.workflows import pinned
from tests.workflows.test_policy import (
    ACTIONS,
    WORKFLOWS,
    Workflow,
    actions_have_valid_inputs,
    outputs_exist,
    read,
)

STEPS = [step for path in [*WORKFLOWS, *ACTIONS] for _, step in read(path).steps() if "uses" in step]
REMOTE = [step for step in STEPS if not step["uses"].startswith("./")]
ACTION_NAMES = sorted(pinned.ACTIONS)


def standin(action: str) -> dict[str, Any]:
    return yaml.safe_load((STANDINS / action / "action.yml").read_text(encoding="utf-8"))


def differences(action: str, declared: dict[str, Any]) -> list[str]:
    """Return the differences between an action and the action.yml of its stand-in, in inputs, defaults and outputs."""
    real = pinned.ACTIONS[action]
    inputs, outputs = declared.get("inputs") or {}, declared.get("outputs") or {}
    common = {name: facts for name, facts in inputs.items() if name in real.inputs}
    return [
        *(f"no input {name}" for name in sorted(inputs.keys() - common.keys())),
        *(f"no output {name}" for name in sorted(outputs.keys() - set(real.outputs))),
        *(
            f"{name}: required"
            for name, facts in common.items()
            if facts.get("required", False) != real.inputs[name].required
        ),
        *(
            f"{name}: default"
            for name, facts in common.items()
            if facts.get("default", "") != (real.inputs[name].default or "")
        ),
    ]


def test_every_pinned_action_is_used():
    assert pinned.ACTIONS.keys() == {step["uses"].split("@")[0] for step in REMOTE}


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_standin_has_the_interface_of_the_action(action):
    assert [] == differences(action, standin(action))


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_standin_accepts_every_input_of_a_workflow(action):
    passed = chain.from_iterable(step.get("with", {}) for step in REMOTE if step["uses"].split("@")[0] == action)
    assert set(passed) <= (standin(action).get("inputs") or {}).keys()


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_standin_is_a_composite_action(action):
    assert "composite" == standin(action)["runs"]["using"]


def test_every_standin_replaces_a_pinned_action():
    assert set(ACTION_NAMES) == {str(file.parent.relative_to(STANDINS)) for file in STANDINS.glob("**/action.yml")}


@pytest.mark.parametrize(
    ("section", "name", "facts", "difference"),
    [
        ("inputs", "compression", {}, "no input compression"),
        ("outputs", "path", {}, "no output path"),
        ("inputs", "path", {"required": False}, "path: required"),
        ("inputs", "name", {"default": "artifacts"}, "name: default"),
        ("inputs", "name", {}, "name: default"),
    ],
)
def test_deviating_standin_is_detected(section, name, facts, difference):
    declared = standin("actions/upload-artifact")
    declared.setdefault(section, {})[name] = facts
    assert [difference] == differences("actions/upload-artifact", declared)


@pytest.mark.parametrize("action", [name for name in ACTION_NAMES if pinned.ACTIONS[name].outputs])
def test_workflow_may_read_listed_outputs_only(action):
    read_all = "".join(f"${{{{ steps.b.outputs.{output} }}}}" for output in [*pinned.ACTIONS[action].outputs, "x"])
    text = f"jobs: {{a: {{steps: [{{id: b, uses: {action}@1}}, {{run: '{read_all}'}}]}}}}"
    assert ["a: step b has no output x"] == list(outputs_exist(Workflow("a.yaml", text)))


@pytest.mark.parametrize("action", pinned.ACTIONS)
def test_step_must_pass_required_inputs_and_no_unlisted_one(action):
    required = sorted(name for name, facts in pinned.ACTIONS[action].inputs.items() if facts.missing_is_an_error)
    text = f"jobs: {{a: {{steps: [{{uses: {action}@1, with: {{x: 1}}}}]}}}}"
    problems = list(actions_have_valid_inputs(Workflow("a.yaml", text)))
    assert [f"a: {action}@1 has no input x", *(f"a: {action}@1 requires {name}" for name in required)] == sorted(
        problems
    )


@pytest.mark.parametrize("file", sorted(Path().glob(".github/actions/*/action.yml")), ids=str)
def test_inputs_of_local_actions_are_checked_too(file):
    declared = yaml.safe_load(file.read_text(encoding="utf-8")).get("inputs", {})
    assert declared.keys() == pinned.inputs(f"./{file.parent}").keys()

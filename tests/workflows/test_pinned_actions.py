"""The facts of each pinned action, and the stand-in that replaces it under act: it offers no more than the action."""

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
STOOD_IN = sorted(pinned.ACTIONS)


def standin(action: str) -> dict[str, Any]:
    return yaml.safe_load((STANDINS / action / "action.yml").read_text(encoding="utf-8"))


def differences(action: str, declared: dict[str, Any]) -> list[str]:
    """Differences of `declared`, the action.yml of a stand-in, from the action: inputs, their defaults, outputs."""
    real = pinned.ACTIONS[action]
    inputs, outputs = declared.get("inputs") or {}, declared.get("outputs") or {}
    known = {name: facts for name, facts in inputs.items() if name in real.inputs}
    return [
        *(f"no input {name}" for name in sorted(inputs.keys() - known.keys())),
        *(f"no output {name}" for name in sorted(outputs.keys() - set(real.outputs))),
        *(f"{name}: required" for name, of in known.items() if of.get("required", False) != real.inputs[name].required),
        *(
            f"{name}: default"
            for name, of in known.items()
            if of.get("default", "") != (real.inputs[name].default or "")
        ),
    ]


def test_every_pinned_action_is_used():
    assert pinned.ACTIONS.keys() == {step["uses"].split("@")[0] for step in REMOTE}


@pytest.mark.parametrize("action", STOOD_IN)
def test_a_standin_offers_what_the_action_offers_and_nothing_else(action):
    assert [] == differences(action, standin(action))


@pytest.mark.parametrize("action", STOOD_IN)
def test_a_standin_takes_every_input_that_a_workflow_gives(action):
    given = chain.from_iterable(step.get("with", {}) for step in REMOTE if step["uses"].split("@")[0] == action)
    assert set(given) <= (standin(action).get("inputs") or {}).keys()


@pytest.mark.parametrize("action", STOOD_IN)
def test_a_standin_is_a_folder_of_that_name_for_an_action_of_that_name(action):
    assert "composite" == standin(action)["runs"]["using"]


def test_every_standin_is_of_a_pinned_action():
    assert set(STOOD_IN) == {str(file.parent.relative_to(STANDINS)) for file in STANDINS.glob("**/action.yml")}


@pytest.mark.parametrize(
    ("part", "name", "facts", "difference"),
    [
        ("inputs", "compression", {}, "no input compression"),
        ("outputs", "path", {}, "no output path"),
        ("inputs", "path", {"required": False}, "path: required"),
        ("inputs", "name", {"default": "artifacts"}, "name: default"),
        ("inputs", "name", {}, "name: default"),
    ],
)
def test_a_standin_that_is_not_like_the_action_is_noticed(part, name, facts, difference):
    declared = standin("actions/upload-artifact")
    declared.setdefault(part, {})[name] = facts
    assert [difference] == differences("actions/upload-artifact", declared)


@pytest.mark.parametrize("action", [name for name in STOOD_IN if pinned.ACTIONS[name].outputs])
def test_a_workflow_may_read_the_outputs_that_the_facts_name_and_no_other(action):
    read_all = "".join(f"${{{{ steps.b.outputs.{output} }}}}" for output in [*pinned.ACTIONS[action].outputs, "x"])
    text = f"jobs: {{a: {{steps: [{{id: b, uses: {action}@1}}, {{run: '{read_all}'}}]}}}}"
    assert ["a: step b has no output x"] == list(outputs_exist(Workflow("a.yaml", text)))


@pytest.mark.parametrize("action", pinned.ACTIONS)
def test_a_step_must_give_what_the_facts_require_and_nothing_unknown(action):
    required = sorted(name for name, facts in pinned.ACTIONS[action].inputs.items() if facts.missing_is_an_error)
    text = f"jobs: {{a: {{steps: [{{uses: {action}@1, with: {{x: 1}}}}]}}}}"
    found = list(actions_have_valid_inputs(Workflow("a.yaml", text)))
    assert [f"a: {action}@1 has no input x", *(f"a: {action}@1 requires {name}" for name in required)] == sorted(found)


@pytest.mark.parametrize("file", sorted(Path().glob(".github/actions/*/action.yml")), ids=str)
def test_the_inputs_of_our_own_actions_are_checked_as_well(file):
    declared = yaml.safe_load(file.read_text(encoding="utf-8")).get("inputs", {})
    assert declared.keys() == pinned.inputs(f"./{file.parent}").keys()

"""Inputs, outputs and runtimes of the pinned actions, from src/slipway/local/standins/pinned.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from slipway.local.act import STANDINS

FACTS = STANDINS / "pinned.yaml"


class Input(BaseModel):
    """An input of an action, as its action.yml declares it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    required: bool = False
    default: str = ""
    deprecated: bool = False

    @property
    def missing_is_an_error(self) -> bool:
        """Whether a step must pass it."""
        return self.required and not self.default


class Action(BaseModel):
    """An action at its pinned commit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    commit: str
    using: str
    image: str = ""
    inputs: dict[str, Input]
    outputs: list[str]


CONTENT: dict[str, dict[str, Any]] = yaml.safe_load(FACTS.read_text(encoding="utf-8"))
ACTIONS = TypeAdapter(dict[str, Action]).validate_python(CONTENT)


def inputs(uses: str) -> dict[str, Input] | None:
    """Return the inputs of the action that a step uses, pinned or local, or None if it is unlisted."""
    if uses.startswith("./"):
        declared = _own(uses).get("inputs") or {}
        fields = Input.model_fields.keys()
        return {name: Input(**{key: facts[key] for key in facts.keys() & fields}) for name, facts in declared.items()}
    action = ACTIONS.get(uses.split("@")[0])
    return action and action.inputs


def outputs(uses: str) -> list[str] | None:
    """Return the outputs of the action that a step uses, or None for an unlisted action or a command."""
    if uses.startswith("./"):
        return list(_own(uses).get("outputs") or {})
    action = ACTIONS.get(uses.split("@")[0])
    return action and action.outputs


def _own(uses: str) -> dict[str, Any]:
    return yaml.safe_load(Path(uses, "action.yml").read_text(encoding="utf-8"))

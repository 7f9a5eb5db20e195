"""Numbers live in `params.yaml`: this package reads them as DVC does, and validates every one of them.

`read_settings` returns them typed; `read_params` returns the same, validated as well, as mappings.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from slipway import yaml12
from slipway.errors import UserError, unreadable_message
from slipway.settings.data_checks import Data
from slipway.settings.explain import explain
from slipway.settings.operation import Agent, Canary, Monitoring, Retraining
from slipway.settings.serving import Bench, LoadTest, Score, Serving
from slipway.settings.training import Convergence, Evaluate, Export, Gates, Train, Tune
from slipway.settings.values import Free, Section, Whole

PARAMS = Path("params.yaml")


class Settings(Section):
    """Every number of the template. `split` and `model` belong to the problem; all else is the engine's."""

    seed: Whole = Field(description="Seed of training, sampling and resampling")
    split: dict[str, Free]
    model: dict[str, Free]
    train: Train
    export: Export
    evaluate: Evaluate
    data: Data
    convergence: Convergence
    gates: Gates
    serving: Serving
    tune: Tune
    score: Score
    loadtest: LoadTest
    bench: Bench
    canary: Canary
    agent: Agent
    monitoring: Monitoring
    retraining: Retraining


class OpenSection(dict[str, Any]):
    """A section whose keys the problem decides; one that it asks for in vain is an error with the file and the key."""

    def __init__(self, content: dict[str, Any], place: str) -> None:
        super().__init__(content)
        self.place = place

    def __missing__(self, key: str) -> Any:
        similar = difflib.get_close_matches(str(key), map(str, self), 1)
        hint = f"did you mean it by {self.place}.{similar[0]}?" if similar else "add it, the problem reads it"
        raise UserError(f"{PARAMS}: {self.place}.{key}: missing; {hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenSection, (dict(self), self.place)


def read_settings(path: Path = PARAMS) -> Settings:
    """Return every parameter, typed. Raises UserError naming the file, the key, its value and what is allowed."""
    return _validated(_mapping(path), path)


def read_params(path: Path = PARAMS) -> dict[str, Any]:
    """Return every parameter as it is written, validated. Raises UserError as `read_settings` does."""
    content = _mapping(path)
    _validated(content, path)
    opened = {name: OpenSection(content[name], name) for name in ("split", "model")}
    suites = OpenSection(content["data"]["suites"], "data.suites")
    return {**content, **opened, "data": {**content["data"], "suites": suites}}


def read_section(name: str, path: Path = PARAMS) -> dict[str, Any]:
    """Return one section, the only one that is validated: a service starts the quicker. Raises UserError."""
    content, section = _mapping(path), Settings.model_fields[name].annotation
    try:
        section.model_validate(content.get(name))
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, section, name)}") from None
    return content[name]


def read_unchecked(path: Path) -> dict[str, Any]:
    """Return the parameters of a release, which another version of the engine has validated. Raises UserError."""
    return _mapping(path)


def _validated(content: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, Settings)}") from None


def _mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml12.parse_mapping(text)
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run this in the root of the repository") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save it as UTF-8") from None
    except yaml12.YamlError as error:
        raise UserError(unreadable_message(path, text, f"not YAML ({error})")) from None
    if not content:
        raise UserError(unreadable_message(path, text, "empty"))
    return content

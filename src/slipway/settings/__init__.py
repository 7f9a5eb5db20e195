"""Parameters of `params.yaml`, read as DVC reads them and validated.

`read_settings` returns typed models, and `Settings.for_problem` the same content as mappings for the problem.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from slipway import yaml12
from slipway.errors import MissingFileError, SettingError, UnreadableFileError, unreadable_message
from slipway.settings.data_checks import DataSection, RelationsSection
from slipway.settings.explain import explain
from slipway.settings.operation import AgentSection, CanarySection, MonitoringSection, RetrainingSection
from slipway.settings.serving import BenchSection, LoadTestSection, ScoreSection, ServingSection
from slipway.settings.training import (
    CardSection,
    ConvergenceSection,
    EvaluateSection,
    ExportSection,
    GatesSection,
    OperatingPointSection,
    TrainSection,
    TuneSection,
)
from slipway.settings.values import Free, Section, Whole, parameter

PARAMS = Path("params.yaml")


class Settings(Section):
    """All parameters. `split` and `model` belong to the problem; the other sections belong to the engine."""

    seed: Whole = parameter("Seed of training, sampling and resampling")
    split: dict[str, Free]
    model: dict[str, Free]
    train: TrainSection
    export: ExportSection
    evaluate: EvaluateSection
    data: DataSection
    convergence: ConvergenceSection
    gates: GatesSection
    operating_point: OperatingPointSection = OperatingPointSection()
    card: CardSection = CardSection()
    serving: ServingSection
    tune: TuneSection
    score: ScoreSection
    loadtest: LoadTestSection
    bench: BenchSection
    canary: CanarySection
    agent: AgentSection
    monitoring: MonitoringSection
    retraining: RetrainingSection

    def for_problem(self) -> dict[str, Any]:
        """Return every parameter as a mapping, for the functions of the problem.

        Reading a missing key of a section with keys of the problem raises UserError with the file and the key.
        """
        content = self.model_dump()
        opened = {name: OpenSection(content[name], name) for name in ("split", "model")}
        return {**content, **opened, "data": {**content["data"], "suites": self.thresholds()}}

    @property
    def window_limits(self) -> RelationsSection:
        """Return the limits of the learned checks for a live window, which is shorter than a file and moves more."""
        return self.data.relations.model_copy(update={"shape": self.monitoring.shape})

    def thresholds(self) -> OpenSection:
        """Return the section `data.suites`, for `problem.data_suite`."""
        return OpenSection(self.data.suites.model_dump(), "data.suites")


class OpenSection(dict[str, Any]):
    """A section with keys of the problem; reading a missing key raises UserError with the file and the key."""

    def __init__(self, content: dict[str, Any], path: str) -> None:
        super().__init__(content)
        self.path = path

    def __missing__(self, key: str) -> Any:
        similar = difflib.get_close_matches(str(key), map(str, self), 1)
        hint = f"rename {self.path}.{similar[0]}" if similar else "add it, because src/problem reads it"
        raise SettingError(f"{PARAMS}: {self.path}.{key}: missing; {hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenSection, (dict(self), self.path)


def read_settings(path: Path = PARAMS) -> Settings:
    """Return every parameter, typed. Raises UserError with the file, the key, its value and the allowed values."""
    return _validated(_mapping(path), path)


def read_section(name: str, path: Path = PARAMS) -> dict[str, Any]:
    """Return one section and validate only that, so that a service starts faster. Raises UserError."""
    content, section = _mapping(path), Settings.model_fields[name].annotation
    if not (isinstance(section, type) and issubclass(section, Section)):
        raise TypeError(f"{name}: belongs to the problem, so it has no model")
    try:
        section.model_validate(content.get(name))
    except ValidationError as error:
        raise SettingError(f"{path}: {explain(error, section, name)}") from None
    validated: dict[str, Any] = content[name]
    return validated


def read_unchecked(path: Path) -> dict[str, Any]:
    """Return the parameters of a release, which its own version of the engine has validated. Raises UserError."""
    return _mapping(path)


def _validated(content: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise SettingError(f"{path}: {explain(error, Settings)}") from None


def _mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml12.parse_mapping(text)
    except FileNotFoundError:
        raise MissingFileError(f"{path}: not found; run this in the root of the repository") from None
    except UnicodeDecodeError:
        raise UnreadableFileError(f"{path}: not UTF-8; save it as UTF-8") from None
    except yaml12.YamlError as error:
        raise UnreadableFileError(unreadable_message(path, text, f"not YAML ({error})")) from None
    if not content:
        raise UnreadableFileError(unreadable_message(path, text, "empty"))
    return content

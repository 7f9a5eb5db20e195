"""Search space: the ranges of `tune.ranges` in params.yaml, and edits of the file with the values of a trial."""

from __future__ import annotations

import copy
import difflib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from slipway import yaml12
from slipway.errors import SettingError
from slipway.git.changes import flat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import Trial
    from ruamel.yaml.nodes import Node

SIGNIFICANT_DIGITS = 4  # of a searched number; a search cannot resolve more


class ParameterRange(BaseModel):
    """Values of a parameter: numbers between `low` and `high`, integers if both are, or a list of choices."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Whether the scale is logarithmic, as for a learning rate."""
    choices: tuple[bool | int | float | str, ...] | None = None

    @model_validator(mode="after")
    def _has_bounds_or_choices(self) -> ParameterRange:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("set low and high, or choices")
        if self.choices is None:
            low, high = self._bounds()
            if not (0 if self.log else -float("inf")) < low < high:
                raise ValueError("low must be less than high, and greater than 0 with log")
        return self

    def _bounds(self) -> tuple[int | float, int | float]:
        assert self.low is not None  # noqa: S101  the validator requires both without choices
        assert self.high is not None  # noqa: S101
        return self.low, self.high

    def draw(self, trial: Trial, name: str) -> Any:
        """Return a value for `trial`."""
        if self.choices is not None:
            return trial.suggest_categorical(name, self.choices)
        low, high = self._bounds()
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high, log=self.log)
        return rounded(trial.suggest_float(name, low, high, log=self.log))

    def holds(self, value: Any) -> bool:
        """Return whether the range contains `value`."""
        if self.choices is not None:
            return value in self.choices
        low, high = self._bounds()
        return isinstance(value, int | float) and low <= value <= high


def rounded(value: float) -> float:
    """Return `value` with SIGNIFICANT_DIGITS digits."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def read(params: Mapping[str, Any]) -> dict[str, ParameterRange]:
    """Return the ranges by the path of the parameter. Raises UserError for an unknown path or an invalid range."""
    parameters, ranges = flat(dict(params)), {}
    for path, content in (params["tune"]["ranges"] or {}).items():
        if path not in parameters:
            raise SettingError(
                f"params.yaml: tune.ranges: {path}: no such parameter; use its path, such as `model.max_iter`"
            )
        try:
            ranges[path] = ParameterRange.model_validate({**content, "choices": _tuple(content.get("choices"))})
        except (ValidationError, AttributeError, TypeError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise SettingError(f"params.yaml: tune.ranges: {path}: {reason}") from None
    if not ranges:
        raise SettingError("params.yaml: tune.ranges is empty; add a parameter with low and high, or choices")
    return ranges


def _tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


def current(params: Mapping[str, Any], ranges: Mapping[str, ParameterRange]) -> dict[str, Any]:
    """Return the current values of the searched parameters by path."""
    values = flat(dict(params))
    return {path: values[path] for path in ranges}


def with_values(params: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `params` with `values` set by path."""
    changed = copy.deepcopy(dict(params))
    for path, value in values.items():
        *sections, name = path.split(".")
        section = changed
        for key in sections:
            section = section[key]
        section[name] = value
    return changed


def rewritten(text: str, values: Mapping[str, Any]) -> str:
    """Return `text` of params.yaml with `values` set by path; comments keep their column, other lines do not change."""
    edits = [(_node(text, path), _written(value)) for path, value in values.items()]
    for node, new in sorted(edits, key=lambda edit: -edit[0].start_mark.index):
        start, end = node.start_mark.index, node.end_mark.index
        after = text[end:]
        spaces = len(after) - len(after.lstrip(" "))
        padding = spaces + (end - start) - len(new)
        text = text[:start] + new + (" " * max(padding, 1) + after[spaces:] if after[spaces:][:1] == "#" else after)
    return text


def _node(text: str, path: str) -> Node:
    node = yaml12.compose(text)
    for name in path.split("."):
        node = next(value for key, value in node.value if key.value == name)
    return node


def _written(value: Any) -> str:
    return yaml12.dump(value).removesuffix("\n").removesuffix("\n...")


def diff(before: str, after: str) -> str:
    """Return the unified diff of two versions of params.yaml."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "a/params.yaml", "b/params.yaml", "", "", 0, ""
    )
    return "\n".join(lines)

"""The ranges of `tune.ranges` in params.yaml: what may be drawn, and how a drawing is written back into the file."""

from __future__ import annotations

import copy
import difflib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from slipway import yaml12
from slipway.changes import flat
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import Trial
    from ruamel.yaml.nodes import ScalarNode

DIGITS = 4  # of a number that a search found; more would claim what it cannot know


class Range(BaseModel):
    """What a parameter may be: numbers between two, whole if both are, or one of some choices."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Whether equal factors are equal steps, as for a learning rate."""
    choices: tuple[bool | int | float | str, ...] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Range:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("give low and high, or choices")
        if self.choices is None and not (0 if self.log else -float("inf")) < self.low < self.high:
            raise ValueError("low must be less than high, and with log more than 0")
        return self

    def draw(self, trial: Trial, name: str) -> Any:
        """A value for `trial`."""
        if self.choices is not None:
            return trial.suggest_categorical(name, self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return rounded(trial.suggest_float(name, self.low, self.high, log=self.log))

    def holds(self, value: Any) -> bool:
        """Whether `value` could be drawn."""
        if self.choices is not None:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high


def rounded(value: float) -> float:
    """To DIGITS significant digits."""
    return float(f"{value:.{DIGITS}g}")


def read(params: Mapping[str, Any]) -> dict[str, Range]:
    """The ranges by the path of the parameter. Raises UserError for a path or a range that is none."""
    known, ranges = flat(dict(params)), {}
    for path, about in (params["tune"]["ranges"] or {}).items():
        if path not in known:
            raise UserError(
                f"params.yaml: tune.ranges names {path}, which is not there; name it as in `model.max_iter`"
            )
        try:
            ranges[path] = Range.model_validate({**about, "choices": _tuple(about.get("choices"))})
        except (ValidationError, AttributeError, TypeError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise UserError(f"params.yaml: tune.ranges: {path}: {why}") from None
    if not ranges:
        raise UserError("params.yaml: tune.ranges is empty; name what may change, and between what")
    return ranges


def _tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


def current(params: Mapping[str, Any], ranges: Mapping[str, Range]) -> dict[str, Any]:
    """What the searched parameters are now."""
    known = flat(dict(params))
    return {path: known[path] for path in ranges}


def with_values(params: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `params` in which `values` are put in by path."""
    changed = copy.deepcopy(dict(params))
    for path, value in values.items():
        *sections, name = path.split(".")
        section = changed
        for one in sections:
            section = section[one]
        section[name] = value
    return changed


def rewritten(text: str, values: Mapping[str, Any]) -> str:
    """The text of params.yaml with `values` put in by path: no other byte changes, and comments keep their column."""
    edits = [(_node(text, path), _written(value)) for path, value in values.items()]
    for node, new in sorted(edits, key=lambda edit: -edit[0].start_mark.index):
        start, end = node.start_mark.index, node.end_mark.index
        after = text[end:]
        room = len(after) - len(after.lstrip(" "))
        padding = room + (end - start) - len(new)
        text = text[:start] + new + (" " * max(padding, 1) + after[room:] if after[room:][:1] == "#" else after)
    return text


def _node(text: str, path: str) -> ScalarNode:
    node = yaml12.compose(text)
    for name in path.split("."):
        node = next(value for key, value in node.value if key.value == name)
    return node


def _written(value: Any) -> str:
    return yaml12.dump(value).removesuffix("\n").removesuffix("\n...")


def diff(before: str, after: str) -> str:
    """What differs between two texts of params.yaml, as `git diff` would show it."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "a/params.yaml", "b/params.yaml", "", "", 0, ""
    )
    return "\n".join(lines)

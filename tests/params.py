"""A complete params.yaml for tests: the shipped values with the changes of a test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import yaml12

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMS = Path(__file__).parents[1] / "params.yaml"
VALID = Path(__file__).parent / "unit/golden/params.yaml"
"""A valid file, independent of the params.yaml of a fork or a pull request."""


def text(changes: Mapping[str, Any], base: Path = PARAMS) -> str:
    """Return the parameters of `base` as YAML, with `changes` by section and key."""
    return yaml12.dump(_merged(yaml12.parse_mapping(base.read_text(encoding="utf-8")), changes))


def _merged(before: Any, changes: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(changes, dict):
        return changes
    return before | {key: _merged(before.get(key), value) for key, value in changes.items()}

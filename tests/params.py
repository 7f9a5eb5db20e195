"""A whole params.yaml for tests: the shipped numbers, but for those that a test gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import yaml12

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMS = Path(__file__).parents[1] / "params.yaml"


def text(changes: Mapping[str, Any], base: Path = PARAMS) -> str:
    """The parameters of `base` with `changes`, by section and key."""
    return yaml12.dump(_merged(yaml12.parse_mapping(base.read_text(encoding="utf-8")), changes))


def _merged(before: Any, changes: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(changes, dict):
        return changes
    return before | {key: _merged(before.get(key), value) for key, value in changes.items()}

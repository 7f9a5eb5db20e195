"""Writing evidence: whole or not at all, and so that git shows small, readable differences."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from slipway.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

DECIMALS = 6  # of every number that git keeps; differences below are rounding of the machine, not of the model


def write_json(path: Path, content: Any) -> None:
    """Write `content`, numbers rounded, keys in their order, with a line feed at the end; makes the folder."""
    write_text(path, json.dumps(_rounded(content), indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write aside and rename, so that whoever is killed or out of room leaves the old file; makes the folder.

    Raises OSError, which names `path`.
    """
    aside = path.with_name(f".{path.name}.incoming")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return round(content, DECIMALS) if isinstance(content, float) else content


def read_json(path: Path) -> Any:
    """Read `path`. Raises UserError when it is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; the step that writes it did not run") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON ({error}); run the step that writes it again") from None

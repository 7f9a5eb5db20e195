"""The end of a log file, which states why its process ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 4000
LINE_LENGTH_MAX = 300  # characters


def last_line(path: Path) -> str:
    """Return the last line of a log that is not blank, printable and shortened; empty without such a line."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    printable = ("".join(filter(str.isprintable, line)).strip() for line in reversed(lines))
    return next(filter(None, printable), "")[:LINE_LENGTH_MAX]

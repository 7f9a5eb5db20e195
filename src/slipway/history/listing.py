"""The commands `history`, `diff` and `reproduce`: they print runs, releases, their differences and a rebuild."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import TypeAdapter

from slipway import output
from slipway.gates import Outcome
from slipway.git import Git
from slipway.history import reproduce, text
from slipway.history.entries import Entry, History
from slipway.release.store import open_store
from slipway.results import recorded


def show(limit: int) -> None:
    """Print every run and release, newest first."""
    entries = _history().entries(limit)
    output.result(TypeAdapter(list[Entry]).dump_python(entries, mode="json"), lambda: text.table(entries))


def diff(before: str, after: str) -> None:
    """Print the differences of two releases, commits or the work tree."""
    comparison = _history().diff(before, after)
    output.result(comparison, lambda: text.diff(comparison))


def reproduce_release(version: str, folder: Path) -> int:
    """Rebuild a release in `folder` and print the differences; return the exit code, 0 if there are none."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with recorded(reproduce.REPRODUCE) as result:
        reproduction = reproduce.reproduce(Path(), version, folder, open_store())
        reproduce.record(result, reproduction)
    output.result(result, "\n".join(reproduce.text(reproduction)))
    return 0 if result.outcome is Outcome.PASS else 1


def _history() -> History:
    return History(Git(Path()), open_store())

"""`slipway history` and `slipway history diff`, as the command line calls them."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from slipway.delivery.home import store_url
from slipway.delivery.store import open_store
from slipway.gates import Outcome
from slipway.git import Git
from slipway.history import reproduce, text
from slipway.history.entries import History
from slipway.results import recorded


def show(limit: int, *, as_json: bool) -> None:
    """Print every run and release, newest first."""
    entries = _history().entries(limit)
    print(json.dumps([asdict(one) for one in entries], indent=2) if as_json else text.table(entries))


def diff(before: str, after: str, *, as_json: bool) -> None:
    """Print what differs between two of them."""
    found = _history().diff(before, after)
    print(json.dumps(found, indent=2) if as_json else text.diff(found))


def make_again(version: str, folder: Path) -> int:
    """Reproduce a release in a scratch folder, and say what differs; the exit code is 0 when nothing does."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with recorded("reproduce") as result:
        found = reproduce.reproduce(Path(), version, folder, open_store(store_url()))
        reproduce.record(result, found)
    for line in reproduce.text(found):
        print(line)
    return 0 if result.outcome is Outcome.PASS else 1


def _history() -> History:
    return History(Git(Path()), open_store(store_url()))

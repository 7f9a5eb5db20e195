"""Frames of a problem on which two environments of the checks are compared.

`python -m tests.checks_environments.frames DATA PARAMS FOLDER`, with the package `problem` of that problem on the
PYTHONPATH. The frames are every clean file with the older ones, and every mutant of the newest file that can be loaded,
even if the contract blocks it before the suites. FOLDER gets a request of the runner for all frames, and requests of
the built-in checks for a few.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import problem
from slipway.checks import files, suites
from slipway.checks.data import tables
from slipway.errors import UserError
from slipway.lab import data_mutants
from slipway.schema.columns import columns
from slipway.settings import Settings, read_settings
from tests.checks_environments.builtin_checks import fit, predictions
from tests.forks import edit_params

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

CLEAN = "clean"
BUILTIN_CHECK_FRAMES = (CLEAN, "30% missing", "new category in many rows")
"""Prefixes of names; the built-in checks run on the last pair of frames of each prefix."""
BUILTIN_CHECK_ROWS = 500
"""Rows of a frame for the built-in checks, some of which compare all pairs of rows."""


def main(data_dir: Path, params_file: Path, folder: Path) -> None:
    """Write the frames and both kinds of request."""
    settings = settings_of(params_file)
    jobs = [*clean(data_dir, settings), *mutated(data_dir, settings)]
    listed = [written(name, new, reference, folder) for name, new, reference in jobs]
    request = {"thresholds": settings.data.suites.model_dump(), "jobs": listed}
    (folder / "suites.json").write_text(json.dumps(request), encoding="utf-8")
    for beginning in BUILTIN_CHECK_FRAMES:
        if matching := [job for job in jobs if job[0].startswith(beginning)]:
            name, new, reference = matching[-1]
            builtin = json.dumps(builtin_request(new, reference, folder))
            (folder / f"{name}.json").write_text(builtin, encoding="utf-8")
    print(f"{problem.__file__}: {len(jobs)} pairs of frames")


def settings_of(changes: Path) -> Settings:
    """Return the template's parameters with the overrides of the problem."""
    if changes == Path("params.yaml"):
        return read_settings()
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(shutil.copy("params.yaml", folder))
        edit_params(merged, changes)
        return read_settings(merged)


def clean(data_dir: Path, settings: Settings) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield each file with the older ones; of a single file, the last rows with the rows before."""
    names = files.listed(data_dir)
    for place in range(1, len(names)) or [0]:
        yield f"{CLEAN} {names[place]}", *tables(data_dir, [names[place]], older(names[:place], settings), settings)


def older(names: list[str], settings: Settings) -> list[str]:
    """Return the reference files among `names`."""
    return suites.spread(names, settings.data.suites.reference_files)


def mutated(data_dir: Path, settings: Settings) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield each mutant of the newest file that `problem.load` and the sampling accept."""
    *names, newest = files.listed(data_dir)
    raw = data_mutants.read(data_dir / newest)
    before = data_mutants.read(data_dir / names[-1]) if names else raw
    original = data_mutants.Original(raw, files.load(data_dir, newest), before, settings.seed, Path(newest).suffix)
    for mutant in data_mutants.corpus(original):
        with tempfile.TemporaryDirectory() as folder:
            copied = Path(folder)
            for name in [*names, newest]:
                shutil.copy(data_dir / name, copied / name)
            mutant.corrupt(copied / newest)
            try:
                yield mutant.name, *tables(copied, [newest], older(names, settings), settings)
            except (files.UnreadableError, UserError, OSError, KeyError, ValueError, TypeError) as error:
                print(f"{mutant.name}: not loaded: {type(error).__name__}")


def written(name: str, new: pd.DataFrame, reference: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Return a job of the runner."""
    return {"name": name, "html": None, "new": stored(new, folder), "reference": stored(reference, folder)}


def builtin_request(new: pd.DataFrame, reference: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Return the request of the built-in checks."""
    listed = columns(problem.Row)
    few = [frame.sample(min(BUILTIN_CHECK_ROWS, len(frame)), random_state=0).sort_index() for frame in (new, reference)]
    request = {
        "new": stored(few[0], folder),
        "reference": stored(few[1], folder),
        "label": problem.TARGET,
        "task": problem.TASK,
        "time": problem.TIME_COLUMN,
        "categories": [column.name for column in listed if column.kind == "category"],
    }
    predicted = predictions(fit(few[1], request), few[1], few[0], request)
    return request | {"predictions": {name: values.tolist() for name, values in predicted.items()}}


def stored(frame: pd.DataFrame, folder: Path) -> str:
    """Write the frame as Parquet and return its path."""
    path = folder / f"{len(list(folder.glob('*.parquet'))):04}.parquet"
    frame.to_parquet(path)
    return str(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

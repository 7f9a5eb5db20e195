"""Scoring with a released model: fetch and verify it, score the file, and print the result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import problem
from slipway import output
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.environment import Environment
from slipway.errors import ArgumentError, DataError, UserError
from slipway.git import Git
from slipway.release.champion import fetch_desired, fetch_published
from slipway.schema.csv_file import Dialect
from slipway.score import tables
from slipway.score.run import ScoreJob, score
from slipway.serving import model_folder
from slipway.settings import read_settings


def main(source: Path, target: Path, skip_bad: Path | None, release: str | None, environment: str) -> None:
    """Score `source` into `target`, and print the result. Raises UserError."""
    if release and environment:
        raise ArgumentError("score: --release and --environment are mutually exclusive; use one of them")
    with TemporaryDirectory() as scratch:
        folder = _fetch(release, environment, Path(scratch)) if release or environment else model_folder.locate()
        released = model_folder.verify(folder)["version"]
        model_folder.refuse_other_columns(folder, problem.Row)
        limits, dialect = read_settings().score, Dialect(**getattr(problem, "CSV", {}))
        prepared = _prepared(source, dialect, Path(scratch))
        try:
            done = score(ScoreJob(prepared, target, folder, released, problem.Row, skip_bad, dialect), limits)
        except UserError as error:
            error.args = (str(error).replace(str(prepared), str(source)),)
            raise
    skipped = f"; {done.broken:,} invalid rows in {skip_bad}" if skip_bad else ""
    text = f"{target}: {done.scored:,} rows, scored by {released} in {done.seconds:.1f} s{skipped}"
    output.result({"release": released, **asdict(done)}, text)


def _prepared(source: Path, dialect: Dialect, scratch: Path) -> Path:
    """Return the file to score: `source`, or the result of `problem.read` if it has the columns of raw data."""
    names = tables.schema_of(source, dialect).names
    required = [name for name, field in problem.Row.model_fields.items() if field.is_required()]
    if set(required) <= set(names) or not hasattr(problem, "read"):
        return source
    try:
        frame = problem.read(source)
    except ValueError as error:
        raise DataError(str(error)) from None
    if frame.columns.empty or frame[required].isna().all().all():
        return source  # not raw data either; the missing column is reported as for any file
    path = scratch / f"{source.name}.parquet"
    frame.to_parquet(path, index=False)
    return path


def _fetch(release: str | None, environment: str, scratch: Path) -> Path:
    """Return the model folder of a release, or of the release that is desired in an environment."""
    if release:
        branch = DeployBranch(Git(Path()))
        branch.fetch()
        fetched = fetch_published(branch.published(release), scratch / release)
    else:
        fetched = fetch_desired(Environment(environment).require_desired(), scratch)
    return fetched.folder / "model"

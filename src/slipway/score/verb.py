"""`slipway score`, as the command line calls it: the model fetched and verified, the answer told."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import problem
from slipway.csv_file import Dialect
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.home import store_url
from slipway.delivery.store import fetch, open_store
from slipway.errors import UserError
from slipway.git import Git
from slipway.score import tables
from slipway.score.run import Job, score
from slipway.serving import model_folder
from slipway.settings import read_params


def main(
    source: Path, target: Path, skip_bad: Path | None, release: str | None, environment: str, *, as_json: bool
) -> None:
    """Score `source` into `target`, and say what became of it. Raises UserError."""
    if release and environment:
        raise UserError("score: name the model by --release or by --environment, not by both")
    with TemporaryDirectory() as scratch:
        folder = _fetch(release, environment, Path(scratch)) if release or environment else model_folder.locate()
        released = model_folder.verify(folder)["version"]
        model_folder.refuse_other_columns(folder, problem.Row)
        params, dialect = read_params()["score"], Dialect(**getattr(problem, "CSV", {}))
        taken = _taken_in(source, dialect, Path(scratch))
        try:
            done = score(Job(taken, target, folder, released, problem.Row, skip_bad, dialect), params)
        except UserError as error:
            raise UserError(str(error).replace(str(taken), str(source))) from None
    if as_json:
        print(json.dumps({"release": released, **asdict(done)}))
        return
    aside = f"; broken and in {skip_bad}: {done.broken:,}" if skip_bad else ""
    print(f"{target}: {done.scored:,} rows, scored by {released} in {done.seconds:.1f} s{aside}")


def _taken_in(source: Path, dialect: Dialect, scratch: Path) -> Path:
    """The file to score: `source`, or its rows as `problem.read` takes them in, if it has the names of the origin."""
    names = tables.schema_of(source, dialect).names
    required = [name for name, field in problem.Row.model_fields.items() if field.is_required()]
    if set(required) <= set(names) or not hasattr(problem, "read"):
        return source
    try:
        frame = problem.read(source)
    except ValueError as error:
        raise UserError(str(error)) from None
    if frame.columns.empty or frame[required].isna().all().all():
        return source  # it has neither these names nor those; what is missing is reported as for any file
    path = scratch / f"{source.name}.parquet"
    frame.to_parquet(path, index=False)
    return path


def _fetch(release: str | None, environment: str, scratch: Path) -> Path:
    """The model of a release, or of what an environment should run."""
    branch = DeployBranch(Git(Path()))
    branch.fetch()
    desired = branch.read(environment) if environment else None
    if environment and desired is None:
        raise UserError(f"--environment {environment}: runs nothing yet; name a release with --release")
    version = desired.release if desired else release
    digest = desired.digest if desired else branch.published(version).digest
    return fetch(open_store(store_url()), version, digest, scratch / version).folder / "model"

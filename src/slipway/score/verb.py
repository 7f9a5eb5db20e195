"""`slipway score`, as the command line calls it: the model fetched and verified, the answer told."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import problem
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.home import store_url
from slipway.delivery.store import fetch, open_store
from slipway.errors import UserError
from slipway.git import Git
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
        done = score(Job(source, target, folder, released, problem.Row, skip_bad), read_params()["score"])
    if as_json:
        print(json.dumps({"release": released, **asdict(done)}))
        return
    aside = f"; broken and in {skip_bad}: {done.broken:,}" if skip_bad else ""
    print(f"{target}: {done.scored:,} rows, scored by {released} in {done.seconds:.1f} s{aside}")


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

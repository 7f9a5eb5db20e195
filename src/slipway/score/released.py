"""Scoring with a released model: fetch and verify it, score a file or a folder, and print the result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import problem
from slipway import output
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.environment import Environment
from slipway.errors import ArgumentError
from slipway.git import Git
from slipway.release.champion import fetch_desired, fetch_published
from slipway.score import input_checks, input_sample
from slipway.score.one_file import VerifiedModel, score_file
from slipway.serving import model_folder
from slipway.settings import read_settings

if TYPE_CHECKING:
    from slipway.settings.serving import InputChecks


def main(
    source: Path,
    target: Path,
    skip_bad: Path | None,
    release: str | None,
    environment: str,
    scheduler: str | None,
    checks: InputChecks | None = None,
) -> None:
    """Score the file or folder `source` into `target`, and print the result. Raises UserError.

    checks: replaces `score.checks` of params.yaml.
    """
    if release and environment:
        raise ArgumentError("score: --release and --environment are mutually exclusive; use one of them")
    if scheduler and not source.is_dir():
        raise ArgumentError(f"{source}: not a folder; --scheduler distributes the files of a folder")
    settings = read_settings()
    limits = settings.score if checks is None else settings.score.model_copy(update={"checks": checks})
    settings = settings.model_copy(update={"score": limits})
    with TemporaryDirectory() as scratch:
        folder = _fetch(release, environment, Path(scratch)) if release or environment else model_folder.locate()
        model = VerifiedModel(folder, model_folder.verify(folder)["version"])
        model_folder.refuse_other_columns(folder, problem.Row)
        if source.is_dir():
            from slipway.score.folder import score_folder  # needs Dask, which is optional

            score_folder(source, target, model, skip_bad, settings, scheduler)
            return
        sample = input_sample.sampled(settings)
        done = score_file(source, target, model, skip_bad, limits, sample=sample)
    findings = input_checks.report(source, sample, settings) if sample else []
    skipped = f"; {done.broken:,} invalid rows in {skip_bad}" if skip_bad else ""
    text = f"{target}: {done.scored:,} rows, scored by {model.released} in {done.seconds:.1f} s{skipped}"
    output.result({"release": model.released, **asdict(done), "findings": findings}, text)
    input_checks.refuse(source, findings, limits)


def _fetch(release: str | None, environment: str, scratch: Path) -> Path:
    """Return the model folder of a release, or of the release that is desired in an environment."""
    if release:
        branch = DeployBranch(Git(Path()))
        branch.fetch()
        fetched = fetch_published(branch.published(release), scratch / release)
    else:
        fetched = fetch_desired(Environment(environment).require_desired(), scratch)
    return fetched.folder / "model"

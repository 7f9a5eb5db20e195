"""The command `retrain`: add new data, validate it, run the pipeline, and collect the files of a pull request.

It writes to the work tree only and pushes nothing, even if it is interrupted. The command `propose` pushes
results/retrain.json and the folder PROPOSAL.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import output, results
from slipway.checks import job as checks
from slipway.environment.environment import Environment
from slipway.errors import ArgumentError, UserError, WorkTreeError
from slipway.files import write_bytes
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.github import workflows
from slipway.pipeline import run as pipeline
from slipway.pull_request import compare
from slipway.retraining import bring, proposals, trigger
from slipway.retraining.retrain_evidence import RETRAIN, RetrainEvidence
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.settings.operation import RetrainingSection

PROPOSAL = Path("build/proposal")
CHANGES = ("data.dvc", "dvc.lock", "metrics/", ".dvcstore/")
"""Paths that a retraining may change: data and its results, but no code, parameters or workflows."""


def retrain(requested: str, because: str) -> None:
    """Add new data, train on it, and write the files of a pull request into PROPOSAL.

    requested: one of `trigger.TRIGGERS`; because: its evidence as text.
    Raises UserError if the data is invalid or a stage fails. A failed gate does not stop it: the pull request shows it.
    """
    with results.recorded(RETRAIN) as result:
        limits = read_settings().retraining
        fired = trigger.scheduled(limits) if requested == trigger.SCHEDULE else requested
        git = Git(Path())
        result.evidence = evidence = RetrainEvidence(trigger=fired, because=because)
        summary = _reason_to_skip(git, fired, limits)
        if summary is None:
            summary, evidence = _train(git, evidence, limits)
            result.evidence = evidence
        result.verdicts = [Verdict(RETRAIN.name, Outcome.PASS, "a proposal, or the reason for none", summary)]
    _report(summary, proposal=evidence.proposal)


def _reason_to_skip(git: Git, fired: str, limits: RetrainingSection) -> str | None:
    """Return why no retraining may start, before any data is fetched; None if it may.

    Raises UserError for an unknown trigger or uncommitted changes.
    """
    if fired not in trigger.TRIGGERS:
        raise ArgumentError(f"--trigger {fired}: not a trigger; use one of {', '.join(trigger.TRIGGERS)}")
    if changed := list(git.edited(untracked=False)):
        raise WorkTreeError(f"{changed[0]}: has uncommitted changes; commit or stash them before a retraining")
    if Environment("production").desired() is None:
        return "nothing is in production yet, so there is no model to retrain; merge to main and wait for deploy.yaml"
    decision = trigger.decide(fired, proposals.times(git), datetime.now(UTC), limits)
    return None if decision.go else f"skipped: {decision.reason}"


def _train(git: Git, evidence: RetrainEvidence, limits: RetrainingSection) -> tuple[str, RetrainEvidence]:
    """Add data, validate it, train and compare; return a sentence on the result, and the evidence with it."""
    bring.fetch()
    files = bring.add_batches(limits.batches)
    if not files:
        return "problem.next_batch has no new data; training on the same rows would reproduce the same model", evidence
    for file in files:
        output.step(f"new data: {file}")
    checks.data()  # raises UserError with the reason, before any row is trained on
    outcomes = {
        name: _outcome(name, run) for name, run in {"train": pipeline.train, "compare": compare.compare}.items()
    }
    bring.push()
    made = {
        "proposal": True,
        "base": git.read_commit("HEAD").id,
        "files": [file.name for file in files],
        "outcomes": outcomes,
        "changes": collect(git),
    }
    summary = f"retrained on {', '.join(file.name for file in files)}; `slipway propose` opens the pull request"
    return summary, evidence.model_copy(update=made)


def _outcome(name: str, run: Callable[[], None]) -> str:
    """Run a job and return the outcome of its gates. Raises UserError if it failed before its gates."""
    try:
        run()
    except UserError:
        if results.read()[name].error:
            raise
    return results.read()[name].outcome.value


def collect(git: Git) -> list[str]:
    """Copy the changed files that a proposal may contain into PROPOSAL; return their paths.

    Raises UserError for a deleted file, because a proposal cannot delete one.
    """
    edited = {path: state for path, state in git.edited().items() if path.startswith(CHANGES)}
    if deleted := [path for path, state in edited.items() if "D" in state]:
        raise WorkTreeError(
            f"{deleted[0]}: deleted by the retraining, which a proposal cannot express; run `git restore {deleted[0]}`"
        )
    paths = sorted(edited)
    shutil.rmtree(PROPOSAL, ignore_errors=True)
    for path in paths:
        write_bytes(PROPOSAL / path, Path(path).read_bytes())
    return paths


def _report(summary: str, *, proposal: bool) -> None:
    """Write the result to the terminal, the job summary and the outputs of the workflow step."""
    output.result_line(f"retrain: {summary}")
    workflows.add_to_summary(f"{summary}\n")
    workflows.set_output("proposal", str(proposal).lower())

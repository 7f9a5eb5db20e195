"""The verb `retrain`: new data in, checked before it is used; the pipeline; and what a pull request would change.

It writes to the work tree only. Whatever stops it, nothing is pushed: that is for the verb `propose`, which takes
results/retrain.json and the folder PROPOSAL.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import compare, results
from slipway.checks import job as checks
from slipway.delivery.desired_state import DeployBranch
from slipway.errors import UserError
from slipway.files import write_bytes
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.pipeline import run as pipeline
from slipway.retraining import bring, proposals, trigger
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.results import JobResult

JOB = "retrain"
PROPOSAL = Path("build/proposal")
CHANGES = ("data.dvc", "dvc.lock", "metrics/", ".dvcstore/")
"""What a retraining changes: data, and what comes of it. Code, numbers and workflows are for people."""


def retrain(asked: str, because: str) -> None:
    """Bring new data in, train on it, and leave what a pull request would change in PROPOSAL.

    `asked` is one of `trigger.TRIGGERS`, `because` the evidence behind it, in words. Raises UserError when the data is
    bad, with the reason, or when a stage fails. A gate that does not pass stops nothing: the pull request shows it.
    """
    with results.recorded(JOB) as result:
        params = read_params()["retraining"]
        fired = trigger.at_the_hour(params) if asked == trigger.SCHEDULE else asked
        git = Git(Path())
        result.evidence = {"trigger": fired, "because": because, "proposal": False}
        said = _why_not(git, fired, params) or _train(git, result, params)
        result.verdicts = [Verdict(JOB, Outcome.PASS, "a proposal, or a reason for none", said)]
    _tell(said, proposal=result.evidence["proposal"])


def _why_not(git: Git, fired: str, params: dict[str, Any]) -> str | None:
    """Why there is nothing to do, in a sentence, before anything is fetched; None when there may be."""
    if fired not in trigger.TRIGGERS:
        raise UserError(f"--trigger {fired}: no such trigger; one of {', '.join(trigger.TRIGGERS)}")
    if changed := list(git.edited(untracked=False)):
        raise UserError(f"{changed[0]}: changed and not committed; a retraining changes the data, and nothing else")
    branch = DeployBranch(git)
    branch.fetch()
    if branch.read("production") is None:
        return "nothing is in production yet, so there is no model to renew; merge to main, and let deploy.yaml run"
    decision = trigger.decide(fired, proposals.times(git), datetime.now(UTC), params)
    return None if decision.go else f"not now: {decision.said}"


def _train(git: Git, result: JobResult, params: dict[str, Any]) -> str:
    """Bring, check, train and compare. Returns what came of it, in a sentence."""
    bring.fetch()
    files = bring.bring(params["batches"])
    if not files:
        return "problem.next_batch has no new data; the same rows would give the same model, byte for byte"
    for file in files:
        print(f"new data: {file}", flush=True)
    checks.data()  # raises, with the reason, before a row of it is trained on
    outcomes = {
        name: _outcome(name, run) for name, run in {"train": pipeline.train, "compare": compare.compare}.items()
    }
    bring.push()
    result.evidence |= {
        "proposal": True,
        "base": git.read_commit("HEAD").id,
        "files": [file.name for file in files],
        "outcomes": outcomes,
        "changes": collect(git),
    }
    return f"retrained on {', '.join(file.name for file in files)}; `slipway propose` opens the pull request"


def _outcome(name: str, run: Callable[[], None]) -> str:
    """How a job's gates judged. Raises UserError when it did not get so far as to judge."""
    try:
        run()
    except UserError:
        if results.read()[name].error:
            raise
    return results.read()[name].outcome.value


def collect(git: Git) -> list[str]:
    """Copy what git sees as changed, and a proposal may change, into PROPOSAL. Returns the paths.

    Raises UserError for a file that was deleted: a proposal cannot delete one.
    """
    edited = {path: state for path, state in git.edited().items() if path.startswith(CHANGES)}
    if deleted := [path for path, state in edited.items() if "D" in state]:
        raise UserError(f"{deleted[0]}: deleted by the retraining, which a proposal cannot carry; `git restore` it")
    paths = sorted(edited)
    shutil.rmtree(PROPOSAL, ignore_errors=True)
    for path in paths:
        write_bytes(PROPOSAL / path, Path(path).read_bytes())
    return paths


def _tell(said: str, *, proposal: bool) -> None:
    """Say what came of it: to the terminal, to the job's summary, and to the jobs after it."""
    print(f"retrain: {said}")
    for name, text in {
        "GITHUB_STEP_SUMMARY": f"{said}\n",
        "GITHUB_OUTPUT": f"proposal={str(proposal).lower()}\n",
    }.items():
        if file := os.environ.get(name):
            with Path(file).open("a", encoding="utf-8") as opened:
                opened.write(text)

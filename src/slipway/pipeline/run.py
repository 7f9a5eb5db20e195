"""Command `slipway train`: fetch the data, run the stale stages of dvc.yaml, and record code, inputs and outputs."""

from __future__ import annotations

import csv
import getpass
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

import problem
from slipway import output, preloaded
from slipway.dvc import client, command, outputs, recovery
from slipway.errors import UnreadableFileError
from slipway.files import read_json, write_text
from slipway.gates import model as gates
from slipway.gates.training_evidence import LossPoint, Metrics, StageFiles, TrainEvidence
from slipway.git import Git, GitError, changes
from slipway.github import workflows
from slipway.pipeline import tracking
from slipway.results import TRAIN, invalid, recorded
from slipway.settings import PARAMS, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.dvc.files import LockedStage

METRICS = Path("metrics")
LOSS = METRICS / "loss.csv"
LIVE = Path("build/live")
RESUMED = Path("build/checkpoints/resumed.json")
LAST_STAGES = ("background", "evaluate")


def train(*, fresh: bool = False) -> None:
    """Bring the model up to date, and write results/train.json: verdicts on the model, and metadata of the run.

    With `fresh`, every stage runs, also if it is up to date. Raises UserError when dvc.lock is broken, an output of DVC
    is in git, the data is unavailable, a stage fails, or a gate does not pass.
    """
    with recovery.alone() as lock_file, recorded(TRAIN) as result:
        recovery.repair()
        settings = read_settings()  # reports an invalid file before anything is fetched
        outputs.refuse_planted()
        committed = recovery.stages()
        _use_lock_of_base()
        client.pull(force=True)
        with (
            recovery.restored_on_failure(),
            preloaded.started({}) as server,
            tracking.Meter(server=server.process) as meter,
        ):
            stages = dict(_reproduce(lock_file, fresh, meter, server))
        result.evidence = evidence = _evidence(stages, committed, meter)
        tracking.write(LIVE, meter.samples, evidence.loss)
        result.verdicts = [
            gates.parity(evidence.metrics.export, settings.export.parity_tolerance),
            gates.floor(evidence.metrics.evaluate.get("model", {}), settings.gates, problem.TASK),
        ]
    result.require()


def _differ(committed: LockedStage | None, now: LockedStage) -> bool:
    """Return whether the committed entry of a stage is stale. Edits of params.yaml that no stage uses do not count."""
    return committed is None or _without_params(committed) != _without_params(now)


def _without_params(stage: LockedStage) -> LockedStage:
    return stage.model_copy(update={"deps": [dep for dep in stage.deps if dep.path != str(PARAMS)]})


def _use_lock_of_base() -> None:
    """Replace `dvc.lock` by that of a pull request's base, so that outputs which only the change claims are made."""
    branch = changes.base_branch()
    if branch:
        text = _lock_of_base(f"origin/{branch}")
        recovery.LOCK.unlink(missing_ok=True)
        if recovery.is_lock(text):
            write_text(recovery.LOCK, text)


def _lock_of_base(reference: str) -> str:
    """Return dvc.lock of the base; empty where it has none, or where it cannot be read, which is reported."""
    git = Git(Path())
    try:
        return git.read_text(changes.merge_base(git, reference), f"./{recovery.LOCK}") or ""
    except GitError as error:
        output.warn(f"train: cannot read the base ({error}), so every stage runs")
        return ""


def _reproduce(
    lock_file: int, fresh: bool, meter: tracking.Meter, server: preloaded.Server
) -> Iterator[tuple[str, float | None]]:
    """Run the stages, print DVC's output, and yield (stage, seconds) of each; None for a stage that did not run.

    DVC's run cache is not used: its claims about the outputs of earlier runs cannot be verified.
    """
    stage, start = None, 0.0
    options = ["--no-run-cache", *(["--force"] if fresh else [])]
    stages = outputs.stages()
    last = [name for name in LAST_STAGES if name in stages]  # the pipeline of a fork may be older than `background`
    path = {"PATH": server.path(os.environ["PATH"])}
    for line in command.lines("repro", *options, *last, keep=[lock_file], env=path):
        output.step(line)
        if match := re.match(r"(Running stage|Stage) '(\w+)'", line):
            if stage:
                yield stage, round(time.monotonic() - start, 2)
            stage, start = (match[2] if match[1] == "Running stage" else None), time.monotonic()
            meter.stage = stage or ""
            if stage is None:
                yield match[2], None
    if stage:
        yield stage, round(time.monotonic() - start, 2)


def _evidence(
    stages: Mapping[str, float | None], committed: Mapping[str, LockedStage], meter: tracking.Meter
) -> TrainEvidence:
    """Return the evidence of a run: its stages, code, inputs and outputs, and the metrics that they wrote."""
    git, locked = Git(Path()), recovery.stages()
    return TrainEvidence(
        stages={stage: seconds for stage, seconds in stages.items() if seconds is not None},
        stale=sorted(stage for stage in stages if _differ(committed.get(stage), locked[stage])),
        commit=git.head() or "",
        changed_files=list(git.edited(untracked=False)),
        by=workflows.actor() or getpass.getuser(),
        run=workflows.run_id(),
        inputs_and_outputs={name: StageFiles(deps=stage.deps, outs=stage.outs) for name, stage in locked.items()},
        metrics=_metrics(),
        loss=_loss(),
        resumed=read_json(RESUMED)["resumed"] if stages.get("train") is not None and RESUMED.exists() else 0,
        resources=meter.summary(),
    )


def _loss() -> list[LossPoint]:
    if not LOSS.exists():
        return []
    with LOSS.open(encoding="utf-8", newline="") as file:
        return [LossPoint.model_validate(row) for row in csv.DictReader(file)]


def _metrics() -> Metrics:
    """Return the content of metrics/. Raises UserError for a file of another form."""
    content = {path.stem: read_json(path) for path in sorted(METRICS.glob("*.json"))}
    try:
        return Metrics.model_validate(content)
    except ValidationError as error:
        raise UnreadableFileError(invalid(METRICS, error)) from None

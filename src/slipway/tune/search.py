"""The search: trials by Optuna, each in a process on a core of its own, kept in a file so that a killed one goes on.

Only this process writes the file. A trial that was under way when it was killed is counted, and done again first.
"""

from __future__ import annotations

import fcntl
import math
import multiprocessing
import os
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

import problem
from slipway import metrics
from slipway.errors import UserError
from slipway.tune import space, worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from slipway.tune.space import Range

STUDY, LOCK, KILLED = "study.db", "lock", "killed"
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a trial has one core; others work beside it
UNDEFINED = "the metric is undefined"
DONE = (TrialState.COMPLETE, TrialState.FAIL)


@dataclass
class Found:
    """What a search has found so far."""

    values: dict[str, Any]
    """The best parameters by path."""
    value: float
    tried: int
    failed: int
    killed: int
    resumed: int = 0
    """Trials of earlier runs."""
    reasons: list[str] = field(default_factory=list)


def search(folder: Path, name: str, prepared: Path, params: Mapping[str, Any], ranges: Mapping[str, Range]) -> Found:
    """Try `tune.trials` sets of parameters, those of earlier runs of the study `name` among them.

    Raises UserError when another search uses `folder`, or when no trial succeeded.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _held(folder), _workers(params["tune"]["processes"], prepared, params) as pool:
        study = _study(folder, name, params, ranges)
        metric = metrics.primary(problem.TASK, params["gates"]["primary"])
        progress = Progress(study, params["tune"]["trials"], metric)
        _run(study, pool, params, ranges, progress)
        return progress.found()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another search is running; wait for that one") from None
        yield


def _study(folder: Path, name: str, params: Mapping[str, Any], ranges: Mapping[str, Range]) -> optuna.Study:
    """The study of that name, new or gone on with."""
    study = optuna.create_study(
        storage=f"sqlite:///{(folder / STUDY).absolute()}",
        study_name=name,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=params["seed"], constant_liar=True),
    )
    now = space.current(params, ranges)
    if not study.get_trials(deepcopy=False) and all(ranges[path].holds(value) for path, value in now.items()):
        study.enqueue_trial(now)
    killed = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in killed:
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    study.set_user_attr(KILLED, [*study.user_attrs.get(KILLED, []), *(trial.number for trial in killed)])
    return study


def _run(
    study: optuna.Study,
    pool: ProcessPoolExecutor,
    params: Mapping[str, Any],
    ranges: Mapping[str, Range],
    progress: Progress,
) -> None:
    """Ask for trials, have them done, tell how they ended."""
    waiting: dict[Future[float], optuna.Trial] = {}
    while True:
        while progress.begun < progress.wanted and len(waiting) < params["tune"]["processes"]:
            trial = study.ask()
            values = {path: one.draw(trial, path) for path, one in ranges.items()}
            waiting[pool.submit(worker.value, values)] = trial
            progress.begun += 1
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            progress.tell(waiting.pop(future), future)


class Progress:
    """Counts trials, and says on stderr how each ended."""

    def __init__(self, study: optuna.Study, wanted: int, metric: metrics.Metric) -> None:
        self._study, self.wanted, self._metric = study, wanted, metric
        self._reasons: list[str] = []
        self.resumed = self.begun = len(self._done())

    def _done(self) -> list[optuna.trial.FrozenTrial]:
        killed = set(self._study.user_attrs.get(KILLED, []))
        return [one for one in self._study.get_trials(deepcopy=False, states=DONE) if one.number not in killed]

    def tell(self, trial: optuna.Trial, future: Future[float]) -> None:
        """Keep how a trial ended, and say it. What is stored is the gain, more of which is better."""
        error = future.exception()
        value = float("nan") if error else future.result()
        if math.isnan(value):
            self._study.tell(trial, state=TrialState.FAIL)
            self._reasons.append(" ".join(f"{type(error).__name__}: {error}".split()) if error else UNDEFINED)
            said = self._reasons[-1]
        else:
            self._study.tell(trial, float(self._metric.gain(value)))
            said = f"{self._metric.name} {value:.4f}"
        print(f"tune: {len(self._done())}/{self.wanted}: {said}", file=sys.stderr, flush=True)

    def found(self) -> Found:
        """The best of all. Raises UserError when there is none."""
        done = self._done()
        failed = sum(one.state == TrialState.FAIL for one in done)
        if failed == len(done):
            raise UserError(f"tune: no trial succeeded; the last: {(self._reasons or [UNDEFINED])[-1]}")
        best = self._study.best_trial
        return Found(
            values={name: space.rounded(one) if isinstance(one, float) else one for name, one in best.params.items()},
            value=float(self._metric.gain(best.value)),
            tried=len(done),
            failed=failed,
            killed=len(self._study.user_attrs.get(KILLED, [])),
            resumed=self.resumed,
            reasons=self._reasons,
        )


@contextmanager
def _workers(processes: int, prepared: Path, params: Mapping[str, Any]) -> Iterator[ProcessPoolExecutor]:
    """Processes that hold the rows, and end when this one does, however it ends."""
    before = {name: os.environ.get(name) for name in ALONE}
    os.environ.update(ALONE)
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, context, worker.begin, (prepared, params)) as pool:
            yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

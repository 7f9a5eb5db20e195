"""Search by Optuna: trials run in worker processes, and a database file lets a killed search resume.

Only this process writes the file. Trials that were running during a kill are counted, and repeated first.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

import problem
from slipway import output
from slipway.errors import BusyError, DataError
from slipway.evaluation import metrics
from slipway.files import locks
from slipway.tune import space, worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import TextIO

    from slipway.settings import Settings
    from slipway.tune.space import ParameterRange

STUDY, LOCK, KILLED = "study.db", "lock", "killed"
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # concurrent trials have one core each
UNDEFINED = "the metric is undefined"
DONE = (TrialState.COMPLETE, TrialState.FAIL)


@dataclass
class SearchResult:
    """Result of a search: the best parameters, their value, and counts of trials."""

    values: dict[str, Any]
    """Best parameters by path in params.yaml."""
    value: float
    tried: int
    failed: int
    killed: int
    resumed: int = 0
    """Trials of earlier runs of the study."""
    reasons: list[str] = field(default_factory=list)


def search(
    folder: Path, name: str, prepared: Path, settings: Settings, ranges: Mapping[str, ParameterRange]
) -> SearchResult:
    """Run `tune.trials` trials, including those of earlier runs of the study `name`, and return the result.

    Raises UserError when another search uses `folder`, or when no trial succeeds.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _locked(folder), _workers(settings.tune.processes, prepared, settings) as pool:
        study = _study(folder, name, settings, ranges)
        metric = metrics.primary(problem.TASK, settings.gates.primary)
        progress = SearchProgress(study, settings.tune.trials, metric)
        _run(study, pool, settings, ranges, progress)
        return progress.result()


def _locked(folder: Path) -> TextIO:
    try:
        return locks.take(folder / LOCK, wait=False)
    except locks.LockedError:
        raise BusyError(f"{folder}: another search is running; wait until it ends") from None


def _study(folder: Path, name: str, settings: Settings, ranges: Mapping[str, ParameterRange]) -> optuna.Study:
    """Return the study `name`, new or resumed."""
    study = optuna.create_study(
        storage=f"sqlite:///{(folder / STUDY).absolute()}",
        study_name=name,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=settings.seed, constant_liar=True),
    )
    now = space.current(settings.for_problem(), ranges)
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
    settings: Settings,
    ranges: Mapping[str, ParameterRange],
    progress: SearchProgress,
) -> None:
    """Run trials in the worker processes until their requested number is complete."""
    waiting: dict[Future[float], optuna.Trial] = {}
    while True:
        while progress.started < progress.requested and len(waiting) < settings.tune.processes:
            trial = study.ask()
            values = {path: options.draw(trial, path) for path, options in ranges.items()}
            waiting[pool.submit(worker.value, values)] = trial
            progress.started += 1
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            progress.record(waiting.pop(future), future)


class SearchProgress:
    """Counter of trials, which reports each result on stderr."""

    def __init__(self, study: optuna.Study, requested: int, metric: metrics.Metric) -> None:
        self._study, self.requested, self._metric = study, requested, metric
        self._reasons: list[str] = []
        self.resumed = self.started = len(self._done())

    def _done(self) -> list[optuna.trial.FrozenTrial]:
        killed = set(self._study.user_attrs.get(KILLED, []))
        return [trial for trial in self._study.get_trials(deepcopy=False, states=DONE) if trial.number not in killed]

    def record(self, trial: optuna.Trial, future: Future[float]) -> None:
        """Store and report the result of a trial. The study stores the gain, which it maximizes."""
        error = future.exception()
        value = float("nan") if error else future.result()
        if math.isnan(value):
            self._study.tell(trial, state=TrialState.FAIL)
            self._reasons.append(" ".join(f"{type(error).__name__}: {error}".split()) if error else UNDEFINED)
            outcome = self._reasons[-1]
        else:
            self._study.tell(trial, float(self._metric.gain(value)))
            outcome = f"{self._metric.name} {value:.4f}"
        output.progress(f"tune: {len(self._done())}/{self.requested}: {outcome}")

    def result(self) -> SearchResult:
        """Return the result so far. Raises UserError when no trial succeeded."""
        done = self._done()
        failed = sum(trial.state == TrialState.FAIL for trial in done)
        if failed == len(done):
            raise DataError(
                f"tune: no trial succeeded; adjust tune.ranges; the last error: {(self._reasons or [UNDEFINED])[-1]}"
            )
        return SearchResult(
            values={
                name: space.rounded(value) if isinstance(value, float) else value
                for name, value in self._study.best_params.items()
            },
            value=float(self._metric.gain(self._study.best_value)),
            tried=len(done),
            failed=failed,
            killed=len(self._study.user_attrs.get(KILLED, [])),
            resumed=self.resumed,
            reasons=self._reasons,
        )


@contextmanager
def _workers(processes: int, prepared: Path, settings: Settings) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes with the rows in memory, which end with this process."""
    before = {name: os.environ.get(name) for name in SINGLE_THREAD}
    os.environ.update(SINGLE_THREAD)
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, context, worker.begin, (prepared, settings)) as pool:
            yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

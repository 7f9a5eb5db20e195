"""Search by Optuna: trials run in worker processes, and a killed search resumes from its storage.

The storage is a database file, which only this process writes, or a URL at which several machines search one study.
Trials that were running during a kill are counted, and repeated first.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

import problem
from slipway import output
from slipway.errors import BusyError, DataError
from slipway.evaluation import metrics
from slipway.files import locks
from slipway.tune import space, worker
from slipway.tune.storage import open_storage
from slipway.tune.study import SharedStudy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import TextIO

    from slipway.settings import Settings
    from slipway.tune.space import ParameterRange

STUDY, LOCK = "study.db", "lock"
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # concurrent trials have one core each
UNDEFINED = "the metric is undefined"


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
    folder: Path, name: str, prepared: Path, settings: Settings, ranges: Mapping[str, ParameterRange], storage: str
) -> SearchResult:
    """Run `tune.trials` trials, including those of earlier runs of the study `name`, and return the result.

    With the URL `storage`, trials of other machines count, and the search ends when the last of them does. Raises
    UserError when another search uses `folder`, or when no trial succeeds.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    current = space.current(settings.for_problem(), ranges)
    first = current if all(ranges[path].holds(value) for path, value in current.items()) else None
    url, lost = (storage, settings.tune.lost_seconds) if storage else (f"sqlite:///{(folder / STUDY).absolute()}", 0.0)
    with (
        nullcontext() if storage else _locked(folder),
        _workers(settings.tune.processes, prepared, settings) as pool,
    ):
        study = SharedStudy(open_storage(url), name, settings.seed, first, lost)
        metric = metrics.primary(problem.TASK, settings.gates.primary)
        progress = SearchProgress(study, settings.tune.trials, metric)
        _run(study, pool, settings, ranges, progress)
        return progress.result()


def _locked(folder: Path) -> TextIO:
    try:
        return locks.take(folder / LOCK, wait=False)
    except locks.LockedError:
        raise BusyError(f"{folder}: another search is running; wait until it ends") from None


def _run(
    study: SharedStudy,
    pool: ProcessPoolExecutor,
    settings: Settings,
    ranges: Mapping[str, ParameterRange],
    progress: SearchProgress,
) -> None:
    """Run trials in the worker processes until their requested number is complete, here and on other machines."""
    waiting: dict[Future[float], optuna.Trial] = {}
    while True:
        study.beat()
        while len(waiting) < settings.tune.processes and (trial := study.claim(progress.requested)):
            values = {path: options.draw(trial, path) for path, options in ranges.items()}
            waiting[pool.submit(worker.value, values)] = trial
        if waiting:
            for future in wait(waiting, timeout=study.interval, return_when=FIRST_COMPLETED).done:
                progress.record(waiting.pop(future), future)
        elif study.is_complete(progress.requested):
            return
        else:
            time.sleep(study.interval or 0)


class SearchProgress:
    """Counter of trials, which reports each result on stderr."""

    def __init__(self, study: SharedStudy, requested: int, metric: metrics.Metric) -> None:
        self._study, self.requested, self._metric = study, requested, metric
        self._reasons: list[str] = []
        self.resumed = len(study.done)

    def record(self, trial: optuna.Trial, future: Future[float]) -> None:
        """Store and report the result of a trial. The study stores the gain, which it maximizes."""
        error = future.exception()
        value = float("nan") if error else future.result()
        if math.isnan(value):
            self._store(trial, state=TrialState.FAIL)
            self._reasons.append(" ".join(f"{type(error).__name__}: {error}".split()) if error else UNDEFINED)
            outcome = self._reasons[-1]
        else:
            self._store(trial, float(self._metric.gain(value)))
            outcome = f"{self._metric.name} {value:.4f}"
        output.progress(f"tune: {len(self._study.done)}/{self.requested}: {outcome}")

    def _store(self, trial: optuna.Trial, value: float | None = None, state: TrialState | None = None) -> None:
        """Store a result, unless another machine took this process for lost and repeats the trial."""
        with suppress(UpdateFinishedTrialError, ValueError):
            self._study.study.tell(trial, value, state=state)

    def result(self) -> SearchResult:
        """Return the result so far. Raises UserError when no trial succeeded."""
        done = self._study.done
        failed = sum(trial.state == TrialState.FAIL for trial in done)
        if failed == len(done):
            raise DataError(
                f"tune: no trial succeeded; adjust tune.ranges; the last error: {(self._reasons or [UNDEFINED])[-1]}"
            )
        return SearchResult(
            values={
                name: space.rounded(value) if isinstance(value, float) else value
                for name, value in self._study.study.best_params.items()
            },
            value=float(self._metric.gain(self._study.study.best_value)),
            tried=len(done),
            failed=failed,
            killed=len(self._study.killed),
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

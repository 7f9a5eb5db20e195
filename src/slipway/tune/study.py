"""A study that several processes search: each claims trials, and repeats those of a process that is lost.

A process is lost when its heartbeat, an attribute of the study, has not changed for a time by the observer's clock, so
the clocks of the machines may differ. Each fact has an attribute of its own, so no process overwrites that of another.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

KILLED, SURPLUS, HEARTBEAT = "killed", "surplus", "heartbeat"
"""Attributes of the study, each with a number of a trial or the name of a process."""
SEARCHER = "searcher"
"""Attribute of a trial: the name of the process that runs it."""
DONE = (TrialState.COMPLETE, TrialState.FAIL)
HEARTBEATS = 10  # in the time after which a process is lost


class SharedStudy:
    """The study `name` in a storage, as one process sees it."""

    def __init__(
        self, storage: BaseStorage, name: str, seed: int, first: Mapping[str, Any] | None, lost_seconds: float
    ) -> None:
        """Create or resume the study; `first` are the parameters of the first trial of a new one.

        A search that has the storage alone passes 0 as `lost_seconds`: every other process is lost.
        """
        self.study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True, direction="maximize")
        self._seed, self._lost_seconds = seed, lost_seconds
        self.process = uuid.uuid4().hex[:12]
        self._observed: dict[str, tuple[float, float]] = {}
        self._beaten = -float("inf")
        if first is not None and not self._trials():
            self.study.enqueue_trial(dict(first), skip_if_exists=True)
        self.beat()

    @property
    def interval(self) -> float | None:
        """Return the seconds between heartbeats, or None for a search that has the storage alone."""
        return self._lost_seconds / HEARTBEATS or None

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _marked(self, kind: str) -> set[int]:
        prefix = f"{kind}:"
        return {int(name.removeprefix(prefix)) for name in self.study.user_attrs if name.startswith(prefix)}

    @property
    def killed(self) -> set[int]:
        """Return the numbers of the trials that ended with their process."""
        return self._marked(KILLED)

    def _counted(self) -> list[FrozenTrial]:
        """Return the trials that count: neither killed nor surplus."""
        dropped = self.killed | self._marked(SURPLUS)
        return [trial for trial in self._trials() if trial.number not in dropped]

    @property
    def done(self) -> list[FrozenTrial]:
        """Return the trials with a result, failed ones included."""
        return [trial for trial in self._counted() if trial.state in DONE]

    def is_complete(self, requested: int) -> bool:
        """Return whether `requested` trials have a result, and no process runs another one."""
        counted = self._counted()
        return len(counted) >= requested and all(trial.state in DONE for trial in counted)

    def beat(self) -> None:
        """Store the heartbeat of this process if one is due, and repeat the trials of lost processes."""
        now = time.monotonic()
        if now - self._beaten >= (self.interval or 0):
            self._beaten = now
            self.study.set_user_attr(f"{HEARTBEAT}:{self.process}", now)
            self._repeat_lost(now)

    def _repeat_lost(self, now: float) -> None:
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            searcher = trial.user_attrs.get(SEARCHER, "")
            if searcher != self.process and self._is_lost(searcher, now):
                self._repeat(trial)

    def _is_lost(self, searcher: str, now: float) -> bool:
        heartbeat = self.study.user_attrs.get(f"{HEARTBEAT}:{searcher}", 0.0)
        observed, since = self._observed.get(searcher, (None, now))
        if observed != heartbeat:
            since = now
            self._observed[searcher] = heartbeat, now
        return now - since >= self._lost_seconds

    def _repeat(self, trial: FrozenTrial) -> None:
        self.study.set_user_attr(f"{KILLED}:{trial.number}", True)
        try:
            self.study.tell(trial.number, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            return  # another process was faster
        if trial.params:
            self.study.enqueue_trial(trial.params)

    def claim(self, requested: int) -> Trial | None:
        """Return the next trial, or None when `requested` trials are claimed.

        Two processes may ask at the same time: the trial with the higher number is surplus then.
        """
        counted = self._counted()
        is_waiting = any(trial.state == TrialState.WAITING for trial in counted)
        if len(counted) >= requested and not is_waiting:
            return None
        self.study.sampler = optuna.samplers.TPESampler(seed=self._seed_of(len(self._trials())), constant_liar=True)
        trial = self.study.ask()
        trial.set_user_attr(SEARCHER, self.process)
        if sum(other.number < trial.number for other in self._counted()) < requested:
            return trial
        self.study.set_user_attr(f"{SURPLUS}:{trial.number}", True)
        self.study.tell(trial, state=TrialState.FAIL)
        return None

    def _seed_of(self, trials: int) -> int:
        """Return the seed of a draw: processes with equal seeds, and a resumed search, would draw equal parameters."""
        process = self.process if self._lost_seconds else ""
        return int.from_bytes(hashlib.sha256(f"{self._seed} {trials} {process}".encode()).digest()[:4])

"""What a run took, beside its loss: processor and memory of each stage, and both as curves that DVC's tools read.

Times and loads differ from run to run, so no stage has them as outputs: `dvc.lock` would never be the same twice. They
are measured from outside, and written by DVCLive where dvc.yaml names them as metrics and plots of no stage.
DVCLive's own monitor stops at once on a machine without a driver of NVIDIA's (3.49.1), so psutil is asked here.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SECONDS = 0.5  # between two samples; a stage of the sample problem takes some seconds
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Sample:
    """What all processes that this one started used at a moment of a stage."""

    stage: str
    cpu_seconds: float
    """Since the sample before."""
    seconds: float
    """The same, by the clock."""
    megabytes: float


@dataclass
class Meter:
    """Samples in a thread of its own for as long as the block lasts; `stage` says which stage runs."""

    stage: str = ""
    samples: list[Sample] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._end, self._used, self._at = threading.Event(), {}, time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(SECONDS):
            self._sample()

    def _sample(self) -> None:
        stage, cpu, memory, now = self.stage, 0.0, 0, time.monotonic()
        for process in psutil.Process().children(recursive=True):
            try:
                times, memory_of = process.cpu_times(), process.memory_info().rss
            except psutil.Error:  # it has just ended
                continue
            used = times.user + times.system
            cpu, memory = cpu + used - self._used.get(process.pid, 0.0), memory + memory_of
            self._used[process.pid] = used
        self.samples.append(Sample(stage, max(cpu, 0.0), now - self._at, memory / MEGABYTE))
        self._at = now

    def summary(self) -> dict[str, dict[str, float]]:
        """Processor time and most memory of each stage that ran for long enough to be seen."""
        stages = {one.stage: [other for other in self.samples if other.stage == one.stage] for one in self.samples}
        return {
            name: {
                "cpu_seconds": round(sum(one.cpu_seconds for one in ones), 2),
                "peak_megabytes": round(max(one.megabytes for one in ones)),
            }
            for name, ones in stages.items()
            if name
        }


def write(folder: Path, samples: Sequence[Sample], loss: Iterable[Mapping[str, Any]]) -> None:
    """Write the curves into `folder` as DVCLive does: cores and megabytes by sample, the loss by iteration."""
    os.environ.setdefault("DVC_STUDIO_OFFLINE", "true")  # it would send them to DVC Studio, given a token
    from dvclive import Live

    with Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False) as live:
        for row in loss:
            live.step = row["iteration"]
            live.log_metric(f"loss/{row['rows']}", row["loss"])
        for step, one in enumerate(samples):
            live.step = step
            live.log_metric("resources/cores", one.cpu_seconds / one.seconds)
            live.log_metric("resources/megabytes", one.megabytes)
        live.log_metric("resources/peak_megabytes", max((one.megabytes for one in samples), default=0.0), plot=False)

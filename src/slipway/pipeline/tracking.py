"""Resource usage of a run: CPU time and memory of each stage, with curves of usage and loss for DVC's tools.

Times and loads differ between runs, so they are outputs of no stage: `dvc.lock` would never be stable. The parent
process measures them, and DVCLive writes them where dvc.yaml lists them as top-level metrics and plots. DVCLive's own
monitor stops on a machine without an NVIDIA driver (3.49.1), so this module uses psutil.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from slipway.gates.training_evidence import LossPoint

INTERVAL_SECONDS = 0.5  # between two samples; a stage of the sample problem takes some seconds
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class ResourceSample:
    """Resource usage of all child processes at a moment of a stage."""

    stage: str
    cpu_seconds: float
    """CPU time since the previous sample."""
    seconds: float
    """Wall time since the previous sample."""
    megabytes: float


@dataclass
class Meter:
    """Sampler in a background thread, as a context manager; the caller sets `stage` to the running stage."""

    stage: str = ""
    server: int | None = None
    """A process whose memory is not counted: the stages are forks of it, and share that memory."""
    samples: list[ResourceSample] = field(default_factory=list)
    _used: dict[int, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._end, self._at = threading.Event(), time.monotonic()
        self._used = {pid: used for pid, used, _ in _children()}  # of processes that are no stage of this run
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(INTERVAL_SECONDS):
            self._sample()

    def _sample(self) -> None:
        stage, cpu, memory, now = self.stage, 0.0, 0, time.monotonic()
        for pid, used, resident in _children():
            cpu += used - self._used.get(pid, 0.0)
            memory += resident if pid != self.server else 0
            self._used[pid] = used
        self.samples.append(ResourceSample(stage, max(cpu, 0.0), now - self._at, memory / MEGABYTE))
        self._at = now

    def summary(self) -> dict[str, dict[str, float]]:
        """Return CPU seconds and peak memory of each stage with at least one sample."""
        stages: dict[str, list[ResourceSample]] = {}
        for sample in self.samples:
            stages.setdefault(sample.stage, []).append(sample)
        return {
            stage: {
                "cpu_seconds": round(sum(sample.cpu_seconds for sample in samples), 2),
                "peak_megabytes": round(max(sample.megabytes for sample in samples)),
            }
            for stage, samples in stages.items()
            if stage
        }


def _children() -> Iterator[tuple[int, float, int]]:
    """Yield process id, CPU seconds and resident bytes of each child process."""
    for process in psutil.Process().children(recursive=True):
        try:
            times, resident = process.cpu_times(), process.memory_info().rss
        except psutil.Error:  # the process has ended
            continue
        yield process.pid, times.user + times.system, resident


def write(folder: Path, samples: Sequence[ResourceSample], loss: Iterable[LossPoint]) -> None:
    """Write the curves to `folder` by DVCLive: cores and megabytes by sample, the loss by iteration."""
    os.environ.setdefault("DVC_STUDIO_OFFLINE", "true")  # with a token, DVCLive would send them to DVC Studio
    from dvclive.live import Live

    with Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False) as live:
        for row in loss:
            live.step = row.iteration
            live.log_metric(f"loss/{row.rows}", row.loss)
        for step, sample in enumerate(samples):
            live.step = step
            live.log_metric("resources/cores", sample.cpu_seconds / sample.seconds)
            live.log_metric("resources/megabytes", sample.megabytes)
        peak = max((sample.megabytes for sample in samples), default=0.0)
        live.log_metric("resources/peak_megabytes", peak, plot=False)

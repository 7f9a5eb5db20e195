"""The Dask cluster of a command: a scheduler at an address, or processes of this machine that end with the command."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from slipway import output
from slipway.errors import MissingToolError, NotReadyError, ToolError

try:
    import dask
    import distributed
except ModuleNotFoundError as error:
    raise MissingToolError(f"{error.name}: not installed; run `uv sync --frozen --group cluster`") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from distributed import Client

CONNECT_SECONDS = 30
HEAP = {"distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25}
"""Bytes from which glibc maps each array on its own. Dask's MALLOC_TRIM_THRESHOLD_ keeps this limit at 128 kB, where it
would grow to 32 MB, and the workers take twice the processor time. Source: mallopt(3)."""


@contextmanager
def connected(scheduler: str | None, processes: int) -> Iterator[Client]:
    """Yield a client of the scheduler at the address `scheduler`, or of as many `processes` of this machine.

    Raises NotReadyError when no scheduler answers.
    """
    _silence()
    with _cluster(scheduler, processes) as address:
        try:
            client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise NotReadyError(
                f"{scheduler}: no Dask scheduler answers ({reason}); start it, or fix the address"
            ) from None
        if not client.scheduler_info()["workers"]:
            output.warn(f"score: {scheduler} has no worker yet; start one with `dask worker {scheduler} --nthreads 1`")
        try:
            yield client
        finally:
            client.close(timeout=1)


def _silence() -> None:
    """Silence the tracebacks that Dask logs for a lost connection; the command reports it in one line.

    Each of its loggers has a level of its own.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in {"distributed", "tornado"}:
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _cluster(scheduler: str | None, processes: int) -> Iterator[Any]:
    """Yield the address of the scheduler, or a new cluster."""
    if scheduler:
        yield scheduler
        return
    with dask.config.set(HEAP):
        local = distributed.LocalCluster(
            n_workers=processes, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        )
    with local:
        yield local


def outcomes(
    client: Client, task: Callable[[Any], Any], jobs: Mapping[str, Any]
) -> Iterator[tuple[str, Any | Exception]]:
    """Run `task` on the value of each job, and yield its name with the result or the error as soon as it has ended.

    Dask repeats the task of a worker that died. After too many deaths it gives up that task, and those that waited for
    the same worker. So these are repeated alone, and only the task that ends its worker itself has KilledWorker.
    Raises ToolError when the scheduler is lost.
    """
    given_up = []
    for name, ended in _ended(client, task, jobs):
        if died(ended):
            given_up.append(name)
        else:
            yield name, ended
    for name in given_up:
        yield from _ended(client, task, {name: jobs[name]})


def _ended(
    client: Client, task: Callable[[Any], Any], jobs: Mapping[str, Any]
) -> Iterator[tuple[str, Any | Exception]]:
    futures = {client.submit(task, job, pure=False): name for name, job in jobs.items()}
    for future in distributed.as_completed(list(futures), loop=client.loop):
        name = futures.pop(future)
        try:
            ended = future.exception() or future.result()
        except (distributed.CancelledError, OSError):  # the scheduler passes the result on, and can end before it does
            raise ToolError(
                "score: the Dask scheduler is lost; start it, and repeat the command, which continues"
            ) from None
        yield name, ended


def died(ended: Any | Exception) -> bool:
    """Return whether a task ended because its workers died."""
    return isinstance(ended, distributed.KilledWorker)

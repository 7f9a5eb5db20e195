"""`python -m slipway.agent.container_process TAG COMMAND…`: the process that stands for a container.

The agent supervises it like a service. It passes SIGTERM on to the container's own first process, because buildah kills
a container on SIGTERM instead of stopping it. It ends with the container, and COMMAND ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil

from slipway.agent import processes

if TYPE_CHECKING:
    from collections.abc import Sequence

POLL_SECONDS = 0.5
KILLED_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")


def run(tag: str, command: Sequence[str]) -> int:
    """Run `command`, whose container carries `tag`, until it ends, and return its exit code."""
    environment = {name: value for name, value in os.environ.items() if name != processes.TAG_VARIABLE}
    stopping, stopped = False, False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    child = subprocess.Popen([*KILLED_WITH_PARENT, *command], env=environment, stdin=subprocess.DEVNULL)
    while True:
        try:
            return child.wait(POLL_SECONDS if not stopping or stopped else POLL_SECONDS / 10)
        except subprocess.TimeoutExpired:
            if stopping and not stopped and (first := _first_processes(tag)):
                processes.terminate(first)
                stopped = True


def _first_processes(tag: str) -> list[int]:
    """Return the processes with `tag` that no other one of them started, except this one."""
    tagged = set(processes.tagged(tag))
    parents = {pid: _parent(pid) for pid in tagged}
    return [pid for pid, parent in parents.items() if parent not in tagged]


def _parent(pid: int) -> int | None:
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return None


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))

"""An agent in a separate process that is killed by SIGKILL immediately before a chosen effect.

Effects are the events of Python's audit hook: files that are written, renamed or removed, and processes that are
started or signaled. Nothing else that an agent does outlives it, so kills before each effect cover every step.

The program reads one job per line, runs each in a fork of itself, and prints the exit code.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from slipway.agent import processes
from slipway.agent.agent import Agent, prefix
from slipway.agent.follower import Follower
from slipway.environment.place import Place
from slipway.release.store.folder import FolderStore
from slipway.settings.operation import AgentSection, CanarySection

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGED = {"os.rename": 1, "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0}
"""Events, and the index of the argument with the path."""
NOISE = re.compile(r"[0-9a-f]{7,}|\d{3,}")
ASIDE, INCOMING = ".incoming", ".incoming-"  # files in these are not visible before they are renamed
TIMEOUT_SECONDS = 30  # for an agent to converge
POLL_SECONDS = 0.02


class TracedAgent(Agent):
    """An agent that records its current action."""

    done, doing = "start", ""

    def _execute(self, action: Any) -> None:
        self.doing = _name(action)
        super()._execute(action)
        self.done, self.doing = self.doing, ""

    @property
    def where(self) -> str:
        """Description of the current or the last action."""
        if threading.current_thread() is not threading.main_thread():
            return "in the background"
        progress, desired = self.state.canary, self.state.desired
        current = progress if progress and desired and progress.promotion == desired.promotion else None
        canary = f" (canary {current.outcome or f'at step {current.step}'})" if current else ""
        return (f"in {self.doing}" if self.doing else f"after {self.done}") + canary


def _name(action: Any) -> str:
    about = getattr(action, "instance", None) or getattr(action, "content", None)
    role = getattr(about, "role", None) or getattr(action, "role", "")
    return " ".join(filter(None, [type(action).__name__, about and about.release, role, getattr(action, "phase", "")]))


def effect(event: str, arguments: tuple[Any, ...]) -> str | None:
    """Return the effect of an event, or None if it has none."""
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        path, mode, flags = arguments
        writes = (flags & WRITING or set(mode or "") & set("wax+")) and not str(path).endswith(ASIDE)
        return f"write {_short(path)}" if writes and not str(path).startswith("/dev/") else None
    if event in CHANGED:
        path = arguments[CHANGED[event]]
        return None if event == "os.mkdir" and Path(path).is_dir() else f"{event.removeprefix('os.')} {_short(path)}"
    if event == "subprocess.Popen":
        program, argument, *_ = map(os.fsdecode, arguments[1])
        return None if program == "git" else f"start {Path(program).name} {_short(argument)}"
    return f"signal {arguments[1]}" if event == "os.kill" else None


def _short(path: object) -> str:
    parts = Path(os.fsdecode(path)).parts
    if any(part.startswith(INCOMING) for part in parts):
        return "an incoming file"
    return NOISE.sub("…", "/".join(parts[-2:]))


def work(job: dict[str, Any]) -> None:
    """Reconcile until the environment has converged, or until immediately before the effect `fatal`.

    Write each effect to a file when it first occurs.
    """
    place = Place("staging", Path(job["root"]))
    processes.tag_children(f"{prefix(place)}agent")
    output = os.open(job["effects"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    written: set[str] = set()
    follower = Follower(place.mirror, job["origin"], "staging")
    settings, canary = AgentSection.model_validate(job["agent"]), CanarySection.model_validate(job["canary"])
    agent = TracedAgent(place, follower, FolderStore(Path(job["store"])), settings, canary)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        description = effect(event, arguments)
        label = f"{agent.where}: {description}" if description else ""
        for version, name in job["names"].items():
            label = label.replace(version, name)
        if label and label == job["fatal"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if label and label not in written:
            written.add(label)
            os.write(output, f"{label}\n".encode())

    sys.addaudithook(hook)
    follower.poll()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not agent.reconcile() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def main() -> None:
    """Run jobs."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # the output of an agent is not a result
            work(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


class Runner:
    """Runs agents with this program."""

    def __init__(self, effects: Path, **job: Any) -> None:
        self._effects, self._job = effects, {**job, "effects": str(effects)}
        self._log = effects.with_suffix(".log").open("wb")
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log, "text": True}
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        self._program = subprocess.Popen([sys.executable, __file__], env=environment, **options)

    def run(self, names: dict[str, str], fatal: str | None = None) -> tuple[int, list[str]]:
        """Run an agent; return its exit code and its effects in order, with `names` for versions."""
        self._program.stdin.write(json.dumps({**self._job, "names": names, "fatal": fatal}) + "\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline()), self._effects.read_text().splitlines()

    def close(self) -> None:
        """Stop the program."""
        with contextlib.suppress(BrokenPipeError):
            self._program.stdin.close()
        self._program.stdout.close()
        self._program.wait(10)
        self._log.close()


if __name__ == "__main__":
    main()

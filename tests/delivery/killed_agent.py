"""An agent in a process of its own that is killed, by SIGKILL, right before a chosen effect that it has on the world.

Effects are what Python's audit hook tells of: files written, renamed and removed, processes started and signalled. To
be killed before each of them is to be killed at every step: nothing else that an agent does outlives it.

As a program this reads a job a line, does each in a fork of itself, and answers with how that ended.
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

from slipway.delivery.agent import processes
from slipway.delivery.agent.agent import Agent, AgentSettings, prefix
from slipway.delivery.agent.follower import Follower
from slipway.delivery.home import Place
from slipway.delivery.store.folder import FolderStore

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGED = {"os.rename": 1, "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0}
"""Events, and which of their arguments is the path."""
NOISE = re.compile(r"[0-9a-f]{7,}|\d{3,}")
ASIDE, INCOMING = ".incoming", ".incoming-"  # what these hold is seen by nobody before it is renamed
SECONDS = 30  # for an agent to have all as desired
POLL_SECONDS = 0.02


class Observed(Agent):
    """Knows how far it is."""

    done, doing = "start", ""

    def _execute(self, action: Any) -> None:
        self.doing = _name(action)
        super()._execute(action)
        self.done, self.doing = self.doing, ""

    @property
    def where(self) -> str:
        """What it does, or did last."""
        if threading.current_thread() is not threading.main_thread():
            return "in the background"
        known, desired = self.state.canary, self.state.desired
        known = known if known and desired and known.promotion == desired.promotion else None
        canary = f" (canary {known.outcome or f'at step {known.step}'})" if known else ""
        return (f"in {self.doing}" if self.doing else f"after {self.done}") + canary


def _name(action: Any) -> str:
    about = getattr(action, "instance", None) or getattr(action, "content", None)
    role = getattr(about, "role", None) or getattr(action, "role", "")
    return " ".join(filter(None, [type(action).__name__, about and about.release, role, getattr(action, "phase", "")]))


def effect(event: str, arguments: tuple[Any, ...]) -> str | None:
    """What an event changes in the world; None for nothing."""
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
        return "what is incoming"
    return NOISE.sub("…", "/".join(parts[-2:]))


def work(job: dict[str, Any]) -> None:
    """Work until all is as desired, or until right before the effect `fatal`; each effect is told as it first comes."""
    place = Place("staging", Path(job["root"]))
    processes.tag_children(f"{prefix(place)}agent")
    told = os.open(job["told"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    known: set[str] = set()
    follower = Follower(place.mirror, job["origin"], "staging")
    agent = Observed(place, follower, FolderStore(Path(job["store"])), AgentSettings(**job["settings"]))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        found = effect(event, arguments)
        label = f"{agent.where}: {found}" if found else ""
        for version, name in job["names"].items():
            label = label.replace(version, name)
        if label and label == job["fatal"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if label and label not in known:
            known.add(label)
            os.write(told, f"{label}\n".encode())

    sys.addaudithook(hook)
    follower.poll()
    deadline = time.monotonic() + SECONDS
    while not agent.reconcile() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def main() -> None:
    """Do jobs."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # what an agent says is not an answer
            work(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


class Runner:
    """Has agents run by this program."""

    def __init__(self, told: Path, **job: Any) -> None:
        self._told, self._job = told, {**job, "told": str(told)}
        self._log = told.with_suffix(".log").open("wb")
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log, "text": True}
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        self._program = subprocess.Popen([sys.executable, __file__], env=environment, **options)

    def run(self, names: dict[str, str], fatal: str | None = None) -> tuple[int, list[str]]:
        """Run one; returns its exit code, and its effects as they first came, with `names` for versions."""
        self._program.stdin.write(json.dumps({**self._job, "names": names, "fatal": fatal}) + "\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline()), self._told.read_text().splitlines()

    def close(self) -> None:
        """End the program."""
        with contextlib.suppress(BrokenPipeError):
            self._program.stdin.close()
        self._program.stdout.close()
        self._program.wait(10)
        self._log.close()


if __name__ == "__main__":
    main()

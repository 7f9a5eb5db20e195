"""The folder of one demo: everything that it makes is in it, and everything that it starts carries its name.

.demo/<time>-<random>/
    origin.git      the throwaway repository
    author/         the clone in which its author works
    machine/        the clone from which the agents run
    runs/           what each run of a workflow left
    agents/ store/  SLIPWAY_HOME and SLIPWAY_STORE
    dvc/            what DVC would keep in /var/tmp
    tmp             names the folder for temporary files, which goes with the demo
    report/         the report, as Markdown and HTML
    summary.json    what happened
    lock            held by the demo as long as it runs; holds its process id
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import psutil

from slipway.files import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEMOS = Path(".demo")
MARK = "SLIPWAY_DEMO"  # in the environment of every process of a demo; inherited, so that none is missed
NAMES = "[0-9]" * 6 + "-*"  # of homes; one that was killed at its beginning or its removal has nothing else
PATIENCE = 15  # seconds in which a process may end by itself

OTHER_RUNS = (
    # Of a workflow, a git hook, a test or an environment around the demo: what they set is not meant for it.
    *("BENTOML_", "DVC_", "GITHUB_", "GIT_AUTHOR_", "GIT_COMMITTER_", "PYTEST_", "SLIPWAY_"),
    *("GH_TOKEN", "GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE", "NEEDS"),
    *("PRODUCTION_URL", "STAGING_URL"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "UV_NO_SYNC", "UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV"),
)
SETTINGS = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_PAGER": "cat",  # a step of act has a terminal, and git would wait at the end of a page
    "GIT_TERMINAL_PROMPT": "0",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # jobs run side by side; threads that spin while they wait take the others' time
    "PAGER": "cat",
    "TERM": "dumb",
    "UV_PYTHON_DOWNLOADS": "never",
}
GIT_CONFIG = """\
[user]
    name = Demo Author
    email = author@example.invalid
[init]
    defaultBranch = main
[advice]
    detachedHead = false
[commit]
    gpgSign = false
"""


@dataclass(frozen=True)
class Home:
    """The folder of one demo."""

    root: Path

    @classmethod
    @contextmanager
    def create(cls, demos: Path) -> Iterator[Home]:
        """Make a new home in `demos`, held for as long as the block lasts; clear away what is left of others."""
        demos.mkdir(parents=True, exist_ok=True)
        with (demos / "creating").open("w") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            for old in homes(demos):
                old.clear_away()
            home = cls(Path(tempfile.mkdtemp(prefix=time.strftime("%H%M%S-"), dir=demos.absolute())))
            lock = home.lock.open("w")
            _hold(lock)
        write_text(home.git_config, GIT_CONFIG)
        (home.root / "tmp").symlink_to(Path(tempfile.gettempdir()) / f"slipway-demo-{home.root.name}")
        home.temporary.mkdir(mode=0o700)
        with lock:
            yield home

    def clear_away(self) -> None:
        """Remove this home unless its demo is still busy, or has left production answering.

        A demo that was killed has no summary: what it started is of no use to anybody, and ends too.
        """
        if self.runner() or (self.summary.exists() and processes(self)):
            return
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def runner(self) -> int | None:
        """Process id of the demo that is still busy in this home."""
        if not self.lock.exists():
            return None
        with self.lock.open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0)
        return None

    @property
    def lock(self) -> Path:
        """Held by the demo as long as it runs."""
        return self.root / "lock"

    @property
    def git_config(self) -> Path:
        """The only configuration that git sees: an identity, and nothing of the user's."""
        return self.root / "gitconfig"

    @property
    def temporary(self) -> Path:
        """TMPDIR, for what a killed process leaves. Not in the home: BentoML builds in no hidden folder."""
        return (self.root / "tmp").resolve()

    @property
    def agents(self) -> Path:
        """SLIPWAY_HOME."""
        return self.root / "agents"

    @property
    def store(self) -> Path:
        """The folder that SLIPWAY_STORE names."""
        return self.root / "store"

    @property
    def summary(self) -> Path:
        """What happened, for tests and other programs."""
        return self.root / "summary.json"

    def environment(self) -> dict[str, str]:
        """Environment of every process of this demo."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OTHER_RUNS)}
        bytecode = self.root.parent / "bytecode"  # shared by all demos; it depends on nothing but the packages
        return {
            **inherited,
            **SETTINGS,
            MARK: str(self.root),
            "BENTOML_HOME": str(self.root / "bentoml"),
            "DVC_SITE_CACHE_DIR": str(self.root / "dvc"),  # in /var/tmp it would keep a folder for each clone
            "GIT_CONFIG_GLOBAL": str(self.git_config),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPYCACHEPREFIX": str(self.root / "bytecode"),
            "SLIPWAY_BYTECODE": str(bytecode),
            "SLIPWAY_HOME": str(self.agents),
            "SLIPWAY_STORE": self.store.as_uri(),
            "TMPDIR": str(self.temporary),
            "UV_PYTHON": sys.executable,
        }

    def stop(self) -> int:
        """End the demo and every process of it, politely at first. Returns how many there were."""
        runner = self.runner()
        found = ([psutil.Process(runner)] if runner not in {None, os.getpid()} else []) + processes(self)
        for process in found:
            _send(process, psutil.Process.terminate)
        _, left = psutil.wait_procs(found, timeout=PATIENCE)
        while left := [*left, *processes(self)]:  # who is asked to end may start another on its way
            for process in left:
                _send(process, psutil.Process.kill)
            _, left = psutil.wait_procs(left, timeout=PATIENCE)
        shutil.rmtree(self.temporary, ignore_errors=True)
        return len(found)


def _hold(lock: TextIO) -> None:
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.write(str(os.getpid()))
    lock.flush()


def homes(demos: Path) -> list[Home]:
    """Homes of all demos that were ever started in `demos` and not cleared away."""
    return [Home(folder.absolute()) for folder in sorted(demos.glob(NAMES))]


def processes(home: Home) -> list[psutil.Process]:
    """Running processes that `home` started, this one excepted."""
    others = (process for process in psutil.process_iter() if process.pid != os.getpid())
    return [process for process in others if _mark(process) == str(home.root)]


def _mark(process: psutil.Process) -> str | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def _send(process: psutil.Process, signal: Callable[[psutil.Process], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        signal(process)


def stop_all(demos: Path) -> int:
    """End every process of every demo in `demos`. Returns how many demos were running."""
    return sum(home.stop() > 0 for home in homes(demos))

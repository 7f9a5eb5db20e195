"""The folder of a demo. It holds every file that the demo writes, and its name labels every process.

.demo/<time>-<random>/
    origin.git      throwaway repository
    author/         clone in which the author works
    machine/        clone from which the agents run
    runs/           output of each workflow run
    agents/ store/  SLIPWAY_HOME and SLIPWAY_STORE
    dvc/            DVC's site cache, otherwise in /var/tmp
    environments/   Python environments of the workflows' jobs, kept from run to run
    mypy/           mypy's cache, kept from run to run
    tmp             link to the folder for temporary files, which is removed with the demo
    report/         report as Markdown and HTML
    summary.json    results of the demo
    lock            locked while the demo runs; contains its process id
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from slipway.agent.processes import labeled
from slipway.files import locks, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEMOS = Path(".demo")
PROCESS_LABEL = "SLIPWAY_DEMO"  # variable in the environment of every process of a demo; children inherit it
HOME_PATTERN = "[0-9]" * 6 + "-*"  # matches also homes of demos that were killed while they were created or removed
STOP_TIMEOUT_SECONDS = 15  # between SIGTERM and SIGKILL

FOREIGN_VARIABLES = (
    # Prefixes of variables that a surrounding workflow, git hook, test or virtual environment sets.
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
    "GIT_PAGER": "cat",  # act gives a step a terminal, and a pager would wait for a key
    "GIT_TERMINAL_PROMPT": "0",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # jobs run in parallel; spinning threads would slow each other down
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
    """The folder of a demo."""

    root: Path

    @classmethod
    @contextmanager
    def create(cls, demos: Path) -> Iterator[Home]:
        """Create a new home in `demos`, locked until the block ends, and remove the homes of finished demos."""
        with locks.take(demos / "creating"):
            for home in homes(demos):
                home.remove_unless_in_use()
            home = cls(Path(tempfile.mkdtemp(prefix=time.strftime("%H%M%S-"), dir=demos.absolute())))
            lock = locks.take(home.lock)
        write_text(home.git_config, GIT_CONFIG)
        (home.root / "tmp").symlink_to(Path(tempfile.gettempdir()) / f"slipway-demo-{home.root.name}")
        home.temporary.mkdir(mode=0o700)
        with lock:
            yield home

    def remove_unless_in_use(self) -> None:
        """Remove this home unless its demo is running or has left production running.

        A demo without a summary was killed, so its processes are stopped too.
        """
        if self.runner() or (self.summary.exists() and processes(self)):
            return
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def runner(self) -> int | None:
        """Return the process id of the demo that is running in this home, or None."""
        return locks.holder(self.lock)

    @property
    def lock(self) -> Path:
        """The file that the demo locks while it runs."""
        return self.root / "lock"

    @property
    def git_config(self) -> Path:
        """The only configuration file of git, in place of the user's. It sets an identity."""
        return self.root / "gitconfig"

    @property
    def temporary(self) -> Path:
        """The demo's TMPDIR. It is outside the home, because BentoML cannot build in a hidden folder."""
        return (self.root / "tmp").resolve()

    @property
    def agents(self) -> Path:
        """The demo's SLIPWAY_HOME."""
        return self.root / "agents"

    @property
    def store(self) -> Path:
        """The folder of the demo's SLIPWAY_STORE."""
        return self.root / "store"

    @property
    def images(self) -> Path:
        """The folder of the demo's container images, or of their registry."""
        return self.root / "images"

    @property
    def summary(self) -> Path:
        """The results of the demo as JSON, for tests and other programs."""
        return self.root / "summary.json"

    def environment(self) -> dict[str, str]:
        """Return the environment of every process of this demo."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}
        bytecode = self.root.parent / "bytecode"  # shared by all demos, because it depends on the packages only
        return {
            **inherited,
            **SETTINGS,
            PROCESS_LABEL: str(self.root),
            "BENTOML_HOME": str(self.root / "bentoml"),
            "DVC_SITE_CACHE_DIR": str(self.root / "dvc"),  # the default in /var/tmp would keep a folder per clone
            "GIT_CONFIG_GLOBAL": str(self.git_config),
            "MYPY_CACHE_DIR": str(self.root / "mypy"),  # each pull request would check the types of pandas again
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPYCACHEPREFIX": str(self.root / "bytecode"),
            "SLIPWAY_BYTECODE": str(bytecode),
            "SLIPWAY_ENVIRONMENTS": str(self.root / "environments"),
            "SLIPWAY_HOME": str(self.agents),
            "SLIPWAY_STORE": self.store.as_uri(),
            "TMPDIR": str(self.temporary),
            "UV_PYTHON": sys.executable,
        }

    def stop(self) -> int:
        """Stop the demo and all its processes, by SIGTERM and then SIGKILL. Return the number of processes."""
        runner = self.runner()
        running = ([psutil.Process(runner)] if runner not in {None, os.getpid()} else []) + processes(self)
        for process in running:
            _send(process, psutil.Process.terminate)
        _, alive = psutil.wait_procs(running, timeout=STOP_TIMEOUT_SECONDS)
        while alive := [*alive, *processes(self)]:  # a terminating process may start another one
            for process in alive:
                _send(process, psutil.Process.kill)
            _, alive = psutil.wait_procs(alive, timeout=STOP_TIMEOUT_SECONDS)
        shutil.rmtree(self.temporary, ignore_errors=True)
        return len(running)


def homes(demos: Path) -> list[Home]:
    """Return the home of every demo in `demos` that was not removed."""
    return [Home(folder.absolute()) for folder in sorted(demos.glob(HOME_PATTERN))]


def processes(home: Home) -> list[psutil.Process]:
    """Return the running processes of `home`, except the calling one."""
    return [process for process, root in labeled(PROCESS_LABEL).items() if root == str(home.root)]


def _send(process: psutil.Process, signal: Callable[[psutil.Process], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        signal(process)


def stop_all(demos: Path) -> int:
    """Stop every process of every demo in `demos`. Return the number of demos that were running."""
    return sum(home.stop() > 0 for home in homes(demos))

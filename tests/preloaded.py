"""Modules and `slipway` in processes that have imported their third-party packages before they start.

A start of the command line takes seconds of imports, and the tests start it thousands of times. They share a server of
`slipway.preloaded`, started once for each worker, which imports the packages but nothing of this repository. A command
has its own process, arguments, folder, environment, output and exit code, and imports the sources that its PYTHONPATH
names. Tests of the start itself, of signals, and of processes found by their environment start a new Python instead.
"""

from __future__ import annotations

import atexit
import functools
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

from slipway import preloaded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODULE = "slipway.cli"
PACKAGES = (*preloaded.PACKAGES, *preloaded.DVC, "httpx", "jinja2", "psutil", "typer", "yaml")


def run(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `slipway` with `arguments` in the folder `cwd`, and return its exit code and its output."""
    return python("-m", MODULE, *arguments, cwd=cwd, env=env)


def python(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a Python command, `-m MODULE …` or `-c CODE …`, in the folder `cwd`; return its exit code and its output.

    Variables that Python or a package reads when it starts, such as PYTHONHASHSEED, have no effect on it.
    """
    command = [str(program()), *arguments]
    return subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def program() -> Path:
    """Return the path of a program like `python`, which starts faster."""
    return _server().python


def first_on_path(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment `env` in which `python` is `program()`."""
    return {**env, "PATH": _server().path(env["PATH"])}


@functools.cache
def _server() -> preloaded.Server:
    """Start the server, which ends with this process."""
    server = ExitStack()
    atexit.register(server.close)
    return server.enter_context(preloaded.started({}, PACKAGES))

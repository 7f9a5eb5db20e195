"""A process that has imported the packages of the tests, but no source, and forks itself for each run of pytest.

Started as a program with the tree of sources; reads a request a line, and prints the exit code of pytest, or null
after the time limit.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("hypothesis", "numpy", "pandas", "pydantic", "ruamel.yaml", "scipy.stats", "typer", "yaml")
POLL_SECONDS = 0.01
FAILED = 70
"""Exit code of a run that pytest did not end."""


class CoveringTests:
    """Plugin of pytest that records the lines of `sources` that each test runs, and its duration."""

    def __init__(self, sources: list[str]) -> None:
        from coverage import Coverage

        self.coverage = Coverage(data_file=None, include=[f"{source}/*" for source in sources] + sources)
        self.coverage.start()
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Attribute the lines that run to a test."""
        started = time.monotonic()
        self.coverage.switch_context(item.nodeid)
        result = yield
        self.coverage.switch_context("")
        self.seconds[item.nodeid] = time.monotonic() - started
        return result

    def document(self) -> dict[str, Any]:
        """Return the duration of each test, and the tests of each line of each file."""
        self.coverage.stop()
        data = self.coverage.get_data()
        return {
            "seconds": self.seconds,
            "tests": {file: data.contexts_by_lineno(file) for file in data.measured_files()},
        }


def _serve(tree: str) -> None:
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:  # of a group that is not installed, so no test needs it
            continue
    for line in sys.stdin:
        request = json.loads(line)
        seconds = request.pop("seconds")
        child = os.fork()
        if not child:
            code = FAILED
            try:
                code = _run(tree, **request)
            finally:
                os._exit(code)
        sys.stdout.write(f"{json.dumps(_wait(child, seconds))}\n")
        sys.stdout.flush()


def _run(tree: str, tests: list[str], log: str, covered: list[str]) -> int:
    """Run tests in this process, and return pytest's exit code. With `covered`, write their coverage to `log`.json."""
    os.setsid()
    streams = [os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)]
    for target, stream in enumerate([*streams, streams[1]]):
        os.dup2(stream, target)
    os.chdir(tree)
    sys.path[:0] = [f"{tree}/src", tree]
    os.environ["PYTHONPATH"] = f"{tree}/src"
    plugin = CoveringTests(covered) if covered else None
    options = ["-q", "-x", "--assert=plain", "-p", "no:cacheprovider", f"--basetemp={log}.tmp"]
    code = int(pytest.main([*options, *tests], plugins=[plugin] if plugin else []))
    if plugin:
        Path(f"{log}.json").write_text(json.dumps(plugin.document()), encoding="utf-8")
    sys.stdout.flush()
    return code


def _wait(child: int, seconds: float) -> int | None:
    """Return the exit code of a child, or kill it and its descendants after `seconds`, and return None."""
    deadline, code = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(POLL_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if code is None:
        os.waitpid(child, 0)
    return code


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    _serve(sys.argv[1])

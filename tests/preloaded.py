"""Commands of Python and `slipway` in processes that have imported their third-party packages before they start.

A start of the command line takes seconds of imports, and the tests start it hundreds of times. `python` asks a process
that has imported the packages, but nothing of this repository, to fork itself for each command. A command has its own
process, arguments, folder, environment, output and exit code, and imports the sources that its PYTHONPATH names.
Tests of the start itself, of signals, and of processes found by their environment start a new Python instead.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "slipway.cli"
PACKAGES = (
    *("pandas", "pyarrow.compute", "pyarrow.csv", "pyarrow.parquet", "scipy.stats", "onnxruntime", "skops.io"),
    *("sklearn.compose", "sklearn.ensemble", "sklearn.impute", "sklearn.inspection", "sklearn.linear_model"),
    *("sklearn.metrics", "sklearn.model_selection", "sklearn.pipeline", "sklearn.preprocessing", "skl2onnx"),
    *("dvc.cli", "dvc.repo", "httpx", "jinja2", "jsonschema", "psutil", "pydantic", "ruamel.yaml", "typer"),
)

_server: list[subprocess.Popen[str]] = []


def run(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `slipway` with `arguments` in the folder `cwd`, and return its exit code and its output."""
    return python("-m", MODULE, *arguments, cwd=cwd, env=env)


def python(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a Python command, `-m MODULE …` or `-c CODE …`, in the folder `cwd`; return its exit code and its output.

    Variables that Python or a package reads when it starts, such as PYTHONHASHSEED, have no effect on it.
    """
    variables = dict(os.environ if env is None else env)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        streams = [f"/proc/{os.getpid()}/fd/{stream.fileno()}" for stream in (out, err)]
        code = _ask({"arguments": arguments, "cwd": str(cwd), "environment": variables, "streams": streams})
        for stream in (out, err):
            stream.seek(0)
        return subprocess.CompletedProcess([sys.executable, *arguments], code, out.read(), err.read())


def _ask(command: dict[str, Any]) -> int:
    """Send a command to the server, which is started if there is none, and return the exit code."""
    if not _server:
        program = [sys.executable, "-P", __file__]
        _server.append(subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        atexit.register(_stop)
    answer = ""
    try:
        print(json.dumps(command), file=_server[0].stdin, flush=True)
        answer = _server[0].stdout.readline()
    finally:
        if not answer:  # the test was interrupted, and the answer would be taken for that of the next command
            _stop()
    return int(answer)


def _stop() -> None:
    if _server:
        with _server.pop() as process:  # closes its pipes, and waits for its end
            process.kill()


def _serve() -> None:
    """Import the packages, and fork a process for each line of stdin; print its exit code."""
    import importlib

    for name in PACKAGES:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os._exit(_execute(**json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _execute(arguments: list[str], cwd: str, environment: dict[str, str], streams: list[str]) -> int:
    """Run a command in this process as a new Python does, and return its exit code."""
    import runpy
    import threading
    import time
    import traceback

    _redirect(streams)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    time.tzset()
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[:0] = [cwd, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    option, program, *rest = arguments
    sys.argv, code = [program if option == "-m" else option, *rest], 0
    try:
        if option == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            exec(program, {"__name__": "__main__"})  # noqa: S102 - as the interpreter does
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _redirect(streams: list[str]) -> None:
    """Read nothing, and write to `streams`, the paths of stdout and stderr."""
    for number, path in enumerate([os.devnull, *streams]):
        opened = os.open(path, os.O_RDWR | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115 - lives on


if __name__ == "__main__":
    _serve()

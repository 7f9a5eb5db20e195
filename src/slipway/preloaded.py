"""Python processes that have imported their third-party packages before they start.

`slipway train` starts a program for each stage, by DVC, and `slipway new` a dozen: measurements, DVC and stages. Most
of them need longer for the same imports than for their work. The server, this file run with a socket and the names of
packages, imports the packages, but nothing of this repository, and forks itself for each program. A program has its own
process, arguments, folder, environment, output and exit code, and imports the sources that its PYTHONPATH names, as
they are then.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PACKAGES = (
    *("pandas", "pyarrow.compute", "pyarrow.csv", "pyarrow.parquet", "scipy.stats", "onnxruntime", "skl2onnx"),
    *("sklearn.compose", "sklearn.ensemble", "sklearn.impute", "sklearn.inspection", "sklearn.linear_model"),
    *("sklearn.metrics", "sklearn.model_selection", "sklearn.pipeline", "sklearn.preprocessing", "skops.io"),
    *("pydantic", "pydantic.dataclasses", "pydantic.type_adapter", "ruamel.yaml", "threadpoolctl"),
)
"""Packages of the stages."""
DVC = ("dvc.cli", "dvc.commands.repro", "dvc.repo")
STARTED = b" "
SOURCES = "PYTHONPATH"
EAGER = "eager"
END_SECONDS = 10  # for the server to end after the last program
CLIENT = """\
#!{python} -IS
import json, os, signal, socket, sys

arguments = sys.argv[1:]
connection = socket.socket(socket.AF_UNIX)
interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program gets it, too, and its end is waited for
program = {{"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}}
try:
    if arguments[:1] not in (["-m"], ["-c"]):
        raise OSError
    connection.connect({address!r})
    socket.send_fds(connection, [b" "], [0, 1, 2])
    connection.sendall(json.dumps(program).encode())
    connection.shutdown(socket.SHUT_WR)
    if not connection.recv(1):
        raise OSError
except OSError:
    signal.signal(signal.SIGINT, interrupt)
    os.execv({python!r}, [{python!r}, *arguments])
sys.exit(int(connection.recv(16) or 1))
"""
"""The program `python`: asks the server to run a module or code, and starts Python for anything else."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    python: Path
    """The program to run instead of Python; Python itself without a server."""
    process: int | None = None
    """The id of the server, or None without one."""

    def path(self, path: str) -> str:
        """Return the value of the variable PATH with this `python` before the folders of `path`."""
        return f"{self.python.parent}{os.pathsep}{path}"


@contextmanager
def started(
    variables: Mapping[str, str], packages: Sequence[str] = PACKAGES, *, eager: bool = False
) -> Iterator[Server]:
    """Start the server with `variables` added to the environment, and yield it.

    It imports when the first program starts, which waits for that, or immediately if it is `eager`.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        address, client = f"{folder}/socket", Path(folder) / "python"
        client.write_text(CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
        client.chmod(0o700)
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                listener.bind(address)
            except OSError:  # the path of the temporary folder is too long for a socket
                yield Server(Path(sys.executable))
                return
            listener.listen()
            environment = {name: value for name, value in os.environ.items() if name != SOURCES}
            server = subprocess.Popen(
                [sys.executable, "-P", __file__, str(listener.fileno()), EAGER if eager else "", *packages],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env={**environment, **variables},
            )
        try:
            yield Server(client, server.pid)
        except BaseException:
            server.kill()
            raise
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Close the server's input, which ends it after the last program, and stop its imports."""
    assert server.stdin  # noqa: S101  it is a pipe
    server.stdin.close()
    server.terminate()
    try:
        server.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def serve(listener: socket.socket, packages: Sequence[str], *, eager: bool) -> None:
    """Import `packages`, then fork a process for each connection until stdin is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the programs get it, and `slipway new` restores the files
    if not eager:
        select.select([sys.stdin, listener], [], [])
    _import(packages)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the programs end first
    while True:
        ready, _, _ = select.select([sys.stdin, listener], [], [])
        if listener not in ready:
            break
        connection = listener.accept()[0]
        if os.fork() == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            listener.close()
            _execute(connection)
        connection.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _import(packages: Sequence[str]) -> None:
    """Import packages, so that the programs share the memory that they take."""
    for name in packages:
        importlib.import_module(name)
    if pydantic := sys.modules.get("pydantic"):
        pydantic.create_model("First", value=(int, ...))  # loads the rest of pydantic, and looks for its plugins
    gc.freeze()  # otherwise, the first collection in each program copies the pages of all objects


def _execute(connection: socket.socket) -> None:
    """Run the program that the connection sends, and answer with its exit code."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    connection.sendall(STARTED)
    with connection.makefile("rb") as stream:
        program = json.loads(stream.read())
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))  # the server's is a pipe
    _enter(program["folder"], program["environment"])
    code = _code(*program["arguments"])
    with suppress(OSError):  # the program closed them, or nobody reads them
        sys.stdout.flush()
        sys.stderr.flush()
    with suppress(OSError):
        connection.sendall(str(code).encode())
    os._exit(code)


def _enter(folder: str, environment: dict[str, str]) -> None:
    """Set what a new Python reads from its folder and its environment."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    time.tzset()
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    sources = [*filter(None, environment.get(SOURCES, "").split(os.pathsep))]
    sys.path[:0] = sources if environment.get("PYTHONSAFEPATH") else [folder, *sources]


def _code(option: str, program: str, *arguments: str) -> int:
    """Run `python -m` or `python -c` with its arguments, and return its exit code."""
    try:
        if option == "-m":
            sys.argv = [program, *arguments]
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            sys.argv = [option, *arguments]
            sys.modules["__main__"] = main = types.ModuleType("__main__")
            exec(program, vars(main))  # noqa: S102  as Python does
        code: Any = 0
    except SystemExit as stop:
        code = stop.code
    except BaseException:  # noqa: BLE001  as at the end of any Python process
        sys.excepthook(*sys.exc_info())
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201  as Python does for `sys.exit(message)`
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return code or 0


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        serve(inherited, sys.argv[3:], eager=sys.argv[2] == EAGER)

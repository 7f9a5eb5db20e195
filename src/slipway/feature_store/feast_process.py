"""The commands that need Feast, run in an environment of their own.

Feast requires pandas below 3, and an import takes seconds and hundreds of megabytes. So the first command installs it
from feast.txt into an environment outside of the checkout, with which it exchanges files. A problem without
`feature_views` never starts it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import problem
import slipway
from slipway import locked_environment, output
from slipway.errors import DataError, MissingFileError, ToolError
from slipway.feature_store import REQUIREMENTS
from slipway.files import read_json, write_json

RUNNER = "slipway.feature_store.feast_runner"
SOURCES = Path("features")
"""Folder of the views' files, tracked by features.dvc. They are no rows of the problem, so not in data/."""
STORE = Path("build/features")
COMMAND = ("-m", RUNNER)
ERRORS = {error.__name__: error for error in (DataError, ToolError)}


def join(source: Path, target: Path) -> None:
    """Join features to the rows of `source`, and print the counts. Raises UserError."""
    if not source.is_file():
        raise MissingFileError(f"{source}: no such file; name a Parquet file of rows")
    answer = run("join", rows=str(source), out=str(target))
    empty = f"; {answer['empty']:,} rows have none of them" if answer["empty"] else ""
    output.result(answer, f"{target}: {answer['rows']:,} rows with {answer['features']} features{empty}")


def materialize() -> None:
    """Update the online store, and print the counts. Raises UserError."""
    answer = run("materialize")
    output.result(answer, f"online: {answer['features']} features of {answer['views']} views")


def serve(port: int) -> None:
    """Serve the online store until the user stops the command. Raises UserError."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as an interrupt does, it ends the server, too
    with suppress(KeyboardInterrupt):
        run("serve", port=port)


def run(action: str, **arguments: Any) -> dict[str, Any]:
    """Run an action of the runner, and return its answer. Raises UserError."""
    if not hasattr(problem, "feature_views"):
        raise DataError("src/problem: has no function `feature_views`, so there is no feature store; add it")
    python = locked_environment.python(REQUIREMENTS, "features")
    environment = os.environ | {"PYTHONPATH": _import_path()}
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        write_json(request, {"action": action, "sources": str(SOURCES), "store": str(STORE), **arguments})
        errors = _run([python, *COMMAND, str(request), str(answer)], environment, action == "serve")
        if not answer.exists():
            cause = (errors.strip().splitlines() or ["no error output"])[-1]
            installed = locked_environment.folder(REQUIREMENTS)
            raise ToolError(f"Feast did not run: {cause}; remove {installed} to install it again")
        content: dict[str, Any] = read_json(answer)
    if "error" in content:
        raise ERRORS[content["class"]](content["error"])
    return content


def _import_path() -> str:
    """Return a search path with this `slipway` and `problem`, which the environment of Feast has no copy of."""
    packages = [str(Path(module.__path__[0]).parent) for module in (problem, slipway)]
    return os.pathsep.join([*packages, *filter(None, [os.environ.get("PYTHONPATH")])])


def _run(command: list[str], environment: dict[str, str], in_foreground: bool) -> str:
    """Run a command and return its stderr, which is that of this process `in_foreground`."""
    stderr = None if in_foreground else subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, text=True
    ) as process:
        try:
            _, errors = process.communicate()
        finally:
            process.terminate()  # has no effect on a finished process
    return errors or ""

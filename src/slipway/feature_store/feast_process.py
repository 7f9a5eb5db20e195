"""The commands that need Feast, run in an environment of their own.

Feast requires pandas below 3, and an import takes seconds and hundreds of megabytes. So it lives in `.venv-features`,
which the first command installs from uv.lock, and exchanges files. A problem without `feature_views` never starts it.
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
from slipway import output
from slipway.errors import DataError, MissingFileError, ToolError
from slipway.files import read_json, write_json
from slipway.tools import require

ENVIRONMENT = ".venv-features"
RUNNER = "slipway.feature_store.feast_runner"
SOURCES = Path("features")
"""Folder of the views' files, tracked by features.dvc. They are no rows of the problem, so not in data/."""
STORE = Path("build/features")
OPTIONS = ("run", "--frozen", "--no-default-groups", "--group", "features")
COMMAND = (*OPTIONS, "python", "-m", RUNNER)
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
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    environment |= {"UV_PROJECT_ENVIRONMENT": ENVIRONMENT, "UV_COMPILE_BYTECODE": "1"}
    if not Path(ENVIRONMENT).exists():
        output.step(f"Installing Feast into {ENVIRONMENT}, once: 680 MB")
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        write_json(request, {"action": action, "sources": str(SOURCES), "store": str(STORE), **arguments})
        errors = _run([require("uv"), *COMMAND, str(request), str(answer)], environment, action == "serve")
        if not answer.exists():
            cause = (errors.strip().splitlines() or ["no error output"])[-1]
            raise ToolError(f"Feast did not run: {cause}; remove {ENVIRONMENT} to install it again")
        content: dict[str, Any] = read_json(answer)
    if "error" in content:
        raise ERRORS[content["class"]](content["error"])
    return content


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

"""The one way to start DVC as a process: the DVC of this Python, with its environment, and its errors in one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import output
from slipway.errors import ToolError
from slipway.files import disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DVC = str(Path(sys.executable).with_name("dvc"))
ENVIRONMENT = {"DVC_NO_ANALYTICS": "1"}
BUSY = ("Unable to acquire lock", "is busy, it is being blocked")


def run(*arguments: str) -> None:
    """Run `dvc ARGUMENTS` and print its output. Raises ToolError when it fails."""
    for line in lines(*arguments):
        output.step(line)


def lines(
    *arguments: str, root: Path | None = None, keep: Sequence[int] = (), env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run `dvc ARGUMENTS` and yield its output line by line, in the folder `root`, by default the current one.

    DVC inherits the file descriptors `keep`. Raises ToolError with the reason when it fails.
    """
    printed: list[str] = []
    with subprocess.Popen(
        [DVC, *arguments],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **ENVIRONMENT, **(env or {})},
        pass_fds=keep,
    ) as process:
        for line in process.stdout or ():
            if line.strip():
                printed.append(line.strip())
                yield line.rstrip()
    if process.returncode:
        raise failure(arguments, printed)


def read(*arguments: str, env: Mapping[str, str] | None = None, program: Sequence[str] = (DVC,)) -> str:
    """Run `dvc ARGUMENTS` and return its output. Raises ToolError with the reason when it fails."""
    variables = {**os.environ, **ENVIRONMENT, **(env or {})}
    done = subprocess.run([*program, *arguments], env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise failure(arguments, (done.stdout + done.stderr).splitlines())
    return done.stdout


def failure(arguments: Sequence[str], output_lines: Sequence[str]) -> ToolError:
    """Return the error of `dvc ARGUMENTS`, with the reason from its output."""
    return ToolError(f"dvc {' '.join(arguments)}: {reason([line.strip() for line in output_lines if line.strip()])}")


def reason(printed: Sequence[str]) -> str:
    """Return the reason why DVC failed, in one line, from its output."""
    if any(message in line for message in BUSY for line in printed):
        return "another DVC is running in this folder; wait until it ends, then run the command again"
    errors = [line.removeprefix("ERROR: ") for line in printed if line.startswith("ERROR: ")]
    if failed := re.match(r"failed to reproduce '(\w+)'", errors[-1] if errors else ""):
        stage_errors = [line for line in printed if line.startswith(f"{failed[1]}: ")]
        errors += stage_errors[-1:]
    return disk.explain_output(printed) or next(iter([*reversed(errors), *reversed(printed)]), "no error output")

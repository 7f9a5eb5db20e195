"""New data: what `problem.next_batch` yields, put under DVC, and put into its remote once it may be."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import yaml

import problem
from slipway import dvc
from slipway.errors import UserError

DATA = Path("data.dvc")
QUIET = {"DVC_NO_ANALYTICS": "1"}


def folder() -> Path:
    """The folder that `data.dvc` tracks."""
    return Path(yaml.safe_load(DATA.read_text(encoding="utf-8"))["outs"][0]["path"])


def fetch() -> None:
    """Make the folder what `data.dvc` says. Raises UserError where it holds something else, or it is not to be had."""
    dvc.pull()


def bring(most: int) -> list[Path]:
    """Let the problem write its next batches, `most` of them, and track them. Returns their files; none is no news."""
    files: list[Path] = []
    for _ in range(most):
        try:
            file = problem.next_batch(folder())
        except Exception as error:  # noqa: BLE001  whatever a source raises, a network or a file format
            words = str(error).splitlines() or ["no reason given"]
            raise UserError(f"problem.next_batch: {type(error).__name__}: {words[0]}") from None
        if file is None:
            break
        files.append(file)
    if files:
        _dvc("add", str(folder()))
    return files


def push() -> None:
    """Put the data into DVC's remote; the embedded one is a folder of the repository."""
    _dvc("push", str(DATA))


def _dvc(*arguments: str) -> None:
    """Run DVC. Raises UserError with its last word."""
    done = subprocess.run(
        ["dvc", *arguments],
        env=os.environ | QUIET,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines() or ["no reason given"]
        raise UserError(f"dvc {' '.join(arguments)}: {said[-1]}")

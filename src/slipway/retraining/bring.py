"""New data: what `problem.next_batch` yields, put under DVC, and put into its remote once it may be."""

from __future__ import annotations

from pathlib import Path

import problem
from slipway import dvc, dvc_remote, yaml12
from slipway.errors import UserError

DATA = Path("data.dvc")


def folder() -> Path:
    """The folder that `data.dvc` tracks."""
    return Path(yaml12.parse(DATA.read_text(encoding="utf-8"))["outs"][0]["path"])


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
        dvc.run("add", str(folder()))
    return files


def push() -> None:
    """Put the data into DVC's remote; the embedded one is a folder of the repository."""
    dvc_remote.push_data(DATA)

"""New data: the batches of `problem.next_batch`, tracked by DVC, and pushed to its remote after the data checks."""

from __future__ import annotations

from pathlib import Path

import problem
from slipway import yaml12
from slipway.dvc import client, command, remote
from slipway.errors import DataError

DATA_POINTER = Path("data.dvc")


def folder() -> Path:
    """Return the folder that `data.dvc` tracks."""
    return Path(yaml12.parse(DATA_POINTER.read_text(encoding="utf-8"))["outs"][0]["path"])


def fetch() -> None:
    """Pull the data that `data.dvc` tracks. Raises UserError if the folder has other changes, or the remote fails."""
    client.pull()


def add_batches(batches_max: int) -> list[Path]:
    """Let the problem write its next batches, at most `batches_max`, and track them with DVC.

    Returns the new files; empty if the source has none. Raises UserError if `problem.next_batch` fails.
    """
    files: list[Path] = []
    for _ in range(batches_max):
        try:
            file = problem.next_batch(folder())
        except Exception as error:  # noqa: BLE001  a source may raise anything, such as network or format errors
            lines = str(error).splitlines() or ["no reason given"]
            raise DataError(f"problem.next_batch: {type(error).__name__}: {lines[0]}") from None
        if file is None:
            break
        files.append(file)
    if files:
        command.run("add", str(folder()))
    return files


def push() -> None:
    """Push the data to DVC's remote; the embedded one is a folder of the repository."""
    remote.push_data(DATA_POINTER)

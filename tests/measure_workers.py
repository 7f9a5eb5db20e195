"""Rows per second of `slipway score FOLDER OUT` by one and by two processes of this machine, in interleaved pairs.

`python -m tests.measure_workers COPIES PAIRS` scores each file of data/ COPIES times, without the checks of the input,
and prints a line for each pair. The times include the start and the end of the cluster.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from slipway import output
from slipway.score.folder import score_folder
from slipway.score.one_file import VerifiedModel
from slipway.serving import model_folder
from slipway.settings import read_settings

DATA = Path("data")


def write_files(copies: int, folder: Path) -> int:
    """Copy each file of DATA into `folder` as many times, and return the number of rows."""
    sources = sorted(DATA.glob("*.parquet"))
    for source in sources:
        for copy in range(copies):
            shutil.copy(source, folder / f"{copy:03}-{source.name}")
    return copies * sum(pq.read_metadata(source).num_rows for source in sources)


def seconds(source: Path, processes: int) -> float:
    """Return the seconds in which as many processes score the folder `source`."""
    settings = read_settings()
    limits = settings.score.model_copy(update={"threads": processes, "checks": "off"})
    model = VerifiedModel(model_folder.locate(), "the model in model/")
    with TemporaryDirectory() as target, output.session(["--quiet"]):
        begin = time.monotonic()
        score_folder(source, Path(target), model, None, settings.model_copy(update={"score": limits}), None)
        return time.monotonic() - begin


def main(copies: int, pairs: int) -> None:
    """Print the rows per second of each pair, and the median ratio."""
    ratios = []
    with TemporaryDirectory() as folder:
        rows = write_files(copies, Path(folder))
        for pair in range(pairs):
            order = (1, 2) if pair % 2 else (2, 1)
            rates = {processes: rows / seconds(Path(folder), processes) for processes in order}
            ratios.append(rates[2] / rates[1])
            print(f"1: {rates[1]:,.0f} rows/s, 2: {rates[2]:,.0f} rows/s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"{rows:,} rows, median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

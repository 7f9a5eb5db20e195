"""Peak memory and processor time of stages on the sample's rows, once or many times.

`python -m tests.measure_scale COPIES FOLDER STAGE...` writes FOLDER/data, one file in which each flight of the year
occurs COPIES times, 10 ms apart, and prints a line for each stage. 100 copies are 34 million rows. Memory is the
proportional set size of the stage's processes, sampled five times a second. A stage that exceeds `--memory-max` is
killed.

A stage is one of dvc.yaml, whose outputs go to FOLDER, or a step of `tests.scale_steps`. `--checkout` measures the
stages of another checkout by its own dvc.yaml and environment.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from problem import data

ROW_GROUP_ROWS = 2**18
INTERVAL_SECONDS = 0.2
STEPS = ("compare", "monitor")


def command_of(stage: str, folder: Path, checkout: Path) -> list[str]:
    """Return the command of a stage of the dvc.yaml in `checkout`, or of a step, with its paths in `folder`."""
    python = str(checkout.resolve() / ".venv/bin/python")
    if stage in STEPS:
        return [python, "-m", "tests.scale_steps", stage, str(folder)]
    stages = yaml.safe_load((checkout / "dvc.yaml").read_text("utf-8"))["stages"]
    _, option, module, *arguments = stages[stage]["cmd"].split()
    return [python, option, module, *(part if part.startswith("--") else str(folder / part) for part in arguments)]


def write_rows(copies: int, folder: Path) -> None:
    """Write the flights of the year into one file, unless it exists."""
    path = folder / "data" / "flights-2013-01.parquet"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    year = pd.concat([data._month(month) for month in range(1, 13)], ignore_index=True)
    schema, rows = pa.Table.from_pandas(year, preserve_index=False).schema, ROW_GROUP_ROWS // copies
    times = year["scheduled_departure"]
    edges = np.unique(np.searchsorted(times, times[::rows]))  # flights of one departure stay together
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start, stop in pairwise([*edges, len(year)]):
            part = year.iloc[start:stop]
            repeated = part.loc[part.index.repeat(copies)].reset_index(drop=True)
            later = pd.to_timedelta(10 * (repeated.index % copies), unit="ms")
            repeated["scheduled_departure"] = (repeated["scheduled_departure"] + later).astype(
                year["scheduled_departure"].dtype
            )
            ordered = repeated.sort_values("scheduled_departure", kind="stable")
            writer.write_table(pa.Table.from_pandas(ordered, schema=schema, preserve_index=False))


def measure(command: list[str], folder: Path, memory_max: float = math.inf) -> tuple[int, float, float, float]:
    """Run a command in `folder`, and return its exit code, peak memory in MB, processor seconds and seconds.

    A command whose processes exceed `memory_max` MB is killed; its exit code is -9.
    """
    begin, peak = time.monotonic(), 0
    before = os.times()
    with subprocess.Popen(command, cwd=folder) as process:
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            if peak > memory_max * 1e6:
                _kill(process.pid)
            time.sleep(INTERVAL_SECONDS)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return process.returncode, peak / 1e6, used, time.monotonic() - begin


def _memory(process_id: int) -> int:
    """Return the proportional set size of a process and its descendants in bytes."""
    total = 0
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # it has ended
        for process in _tree(process_id):
            total += process.memory_full_info().pss
    return total


def _kill(process_id: int) -> None:
    for process in _tree(process_id):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _tree(process_id: int) -> list[psutil.Process]:
    root = psutil.Process(process_id)
    return [root, *root.children(recursive=True)]


def main() -> None:
    """Write the rows, run each stage, and print a line for it."""
    parser = argparse.ArgumentParser(prog="tests.measure_scale", description="Measure stages on the sample's rows.")
    parser.add_argument("copies", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of dvc.yaml, or {', '.join(STEPS)}")
    parser.add_argument("--checkout", type=Path, default=Path(), help="folder whose stages are measured")
    parser.add_argument("--memory-max", type=float, default=math.inf, metavar="MB", help="kill a stage that exceeds it")
    options = parser.parse_args()
    folder = options.folder.resolve()
    write_rows(options.copies, folder)
    for stage in options.stages:
        command = command_of(stage, folder, options.checkout)
        code, peak, used, seconds = measure(command, options.checkout, options.memory_max)
        print(f"{stage}: {peak:,.0f} MB, {used:.1f} CPU s, {seconds:.1f} s, exit code {code}", flush=True)


if __name__ == "__main__":
    main()

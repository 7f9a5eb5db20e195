"""Command `slipway new`: generate the problem of this fork from a table, and measure every limit that depends on it.

It requires a clean work tree, so that git can revert every step.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import pandas as pd
from pydantic import BaseModel

from slipway import output, preloaded
from slipway.dvc import remote
from slipway.errors import ToolError, WorkTreeError
from slipway.evaluation.metrics import for_task
from slipway.files import write_text
from slipway.git import Git
from slipway.pull_request import engine
from slipway.results import RESULTS
from slipway.scaffold import alone, conditions, drift, forked, limits, params_file, render, room, work_tree
from slipway.scaffold.measurements import (
    ComparisonMeasurement,
    ImportedFiles,
    ProbeMeasurement,
    TrainingMeasurement,
)
from slipway.scaffold.plan import infer, summary
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from slipway.scaffold.params_file import Change
    from slipway.scaffold.plan import ForkRequest, Plan

DATA, INCOMING, PARAMS, STORE = Path("data"), Path("incoming"), Path("params.yaml"), Path(".dvcstore")
OBJECTS = STORE / "files"
REPLACED = (render.PACKAGE, render.TESTS, Path("metrics"), OBJECTS)
WRITTEN = (render.PACKAGE, render.TESTS, Path("metrics"), STORE, engine.LOCK, Path("data.dvc"), Path("dvc.lock"))
"""Paths that may have new files, which a failure removes."""
GROUP = re.compile(r"^(?:#[^\n]*\n)*problem = \[[^\]]*\]\n", re.MULTILINE)
EMPTY_GROUP = """\
# What src/problem imports in addition to pandas and scikit-learn. A release whose model is in skops installs it,
# because skops imports the classes of the model.
problem = []
"""
FILE_ROWS_MIN = 500  # so that chance alone changes the distributions of a file little
FILES_MAX = 6
FILE_BYTES_MAX = 1_500_000  # git must have no file over two million
M = TypeVar("M", bound=BaseModel)
COMPRESSION = 8  # of a frame in memory to Parquet, roughly


def new(path: Path, request: ForkRequest) -> None:
    """Write the problem for the table at `path`, track its data, measure its limits, and train its first model.

    Raises UserError when the work tree is not clean, or when a model cannot learn from the table.
    """
    work_tree.require_outside(path)
    work_tree.require_clean()
    work_tree.require_no_untracked(*REPLACED)
    if INCOMING.exists():
        raise WorkTreeError(f"{INCOMING}: exists; move it away, and restore its files after `slipway new`")
    packages = (*preloaded.PACKAGES, *preloaded.DVC)
    with preloaded.started(work_tree.QUIET, packages, eager=True) as server, TemporaryDirectory() as rows:
        plan = forked.call(_inferred, path, request, Path(rows))
        output.step(summary(plan))
        with work_tree.restored_on_error(*WRITTEN):
            engine.write_lock(Git(Path()), "HEAD")
            _write(plan, Path(rows), server)
            with ThreadPoolExecutor() as pool:
                locked = pool.submit(_lock)
                _measure(plan, server, pool)
                locked.result()
            _report("training the first model: dvc repro")
            work_tree.dvc("repro", "--quiet", server=server)
            remote.push_data(Path("data.dvc"))
    lines = _next_steps(plan)
    output.result({"next": lines}, "\n".join(lines))


def _inferred(path: Path, request: ForkRequest, folder: Path) -> Plan:
    """Return the plan, and write the rows to `folder` in files that are small enough for git.

    The plan has the conditions that the rows break in these files.
    """
    settings = read_settings()
    _report(f"inferring the columns of {path.name}")
    plan, frame = infer(path, request, settings.seed, partial(room.require, path.name))
    files = chunks(frame, plan.time.source if plan.time else "")
    pairs = drift.pairs(frame, list(map(len, files)), settings.data.suites.sample_rows, settings.seed)
    plan = replace(plan, omitted=conditions.measure(pairs, plan))
    for number, rows in enumerate(files, start=1):
        rows[list(plan.imported)].to_parquet(folder / f"{number:04}-{Path(plan.file).stem}.parquet", index=False)
    return plan


def _report(step: str) -> None:
    output.progress(f"new: {step}")


def _write(plan: Plan, rows: Path, server: preloaded.Server) -> None:
    """Write the package, its tests and its data, and remove the dependencies and results of the previous problem.

    rows: folder with the files to import.
    """
    _report(f"writing {render.PACKAGE}, {render.TESTS} and {DATA}")
    files = render.render(plan)
    for folder in (render.PACKAGE, render.TESTS, DATA, Path("metrics"), RESULTS):
        shutil.rmtree(folder, ignore_errors=True)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    _edit(limits.of_plan(plan, params_file.places(PARAMS.read_text(encoding="utf-8"))), limits.SAMPLE_ONLY)
    _import(rows, server)
    shutil.rmtree(OBJECTS, ignore_errors=True)  # the data of the previous problem; the new data may have another remote
    work_tree.dvc("add", "--quiet", str(DATA), server=server)


def _lock() -> None:
    """Empty the group of the problem, and lock the dependencies.

    Without the network where uv's cache has what they need, because uv asks it for each of them.
    """
    pyproject = Path("pyproject.toml")
    write_text(pyproject, GROUP.sub(EMPTY_GROUP, pyproject.read_text(encoding="utf-8")))
    try:
        work_tree.uv("lock", "--quiet", "--offline")
    except ToolError:
        work_tree.uv("lock", "--quiet")


def _edit(changes: Mapping[str, Change], removed: tuple[str, ...] = ()) -> None:
    write_text(PARAMS, params_file.edit(PARAMS.read_text(encoding="utf-8"), changes, removed))


def _import(rows: Path, server: preloaded.Server) -> None:
    """Import the rows by `next_batch`, as for later files."""
    try:
        shutil.copytree(rows, INCOMING)
        _measured("import", ImportedFiles, server)
    finally:
        shutil.rmtree(INCOMING, ignore_errors=True)


def chunks(frame: pd.DataFrame, time: str) -> list[pd.DataFrame]:
    """Return the rows in chunks of about equal length; rows of one time stay in one chunk."""
    size = frame.memory_usage(deep=True).sum()
    count = max(1, min(len(frame) // FILE_ROWS_MIN, FILES_MAX), round(size / FILE_BYTES_MAX / COMPRESSION))
    starts = sorted({_start(frame, round(len(frame) * place / count), time) for place in range(count)})
    return [frame.iloc[start:end] for start, end in zip(starts, [*starts[1:], len(frame)], strict=True) if end > start]


def _start(frame: pd.DataFrame, row: int, time: str) -> int:
    """Return the first row with the time of `row`."""
    return int((frame[time] == frame[time].iloc[row]).to_numpy().argmax()) if time else row


def _measure(plan: Plan, server: preloaded.Server, pool: Executor) -> None:
    """Set each limit that depends on the data or the model from a measurement."""
    _report("measuring the data, the training, and the first model")
    training = pool.submit(_measured, "training", TrainingMeasurement, server)
    _edit(forked.call(_data_limits, plan))
    checked = pool.submit(work_tree.dvc, "repro", "--quiet", "data", server=server)
    measured = training.result()
    checked.result()
    _edit(limits.of_training(measured))
    probed = pool.submit(_measured, "probe", ProbeMeasurement, server)
    work_tree.dvc("repro", "--quiet", "evaluate", server=server)
    _edit(limits.of_gates(plan, _measured("comparison", ComparisonMeasurement, server), probed.result()))


def _data_limits(plan: Plan) -> dict[str, Change]:
    """Return the section `data` of params.yaml, measured on the imported files."""
    settings = read_settings()
    files = [pd.read_parquet(file) for file in sorted(DATA.glob("*.parquet"))]
    frame = pd.concat(files, ignore_index=True)
    pairs = drift.pairs(frame, list(map(len, files)), settings.data.suites.sample_rows, settings.seed)
    return limits.of_data(drift.measure(pairs, plan), _rates(plan, frame, files, settings.seed))


def _rates(plan: Plan, frame: pd.DataFrame, files: list[pd.DataFrame], seed: int) -> dict[str, float]:
    derived = [feature.name for feature in plan.features if feature.name not in plan.imported.values()]
    power = alone.powers(frame, derived, plan.target.name, plan.target.task, seed)
    time = frame[plan.time.name].sort_values() if plan.time else None
    return {
        "unlabeled": max(file[plan.target.name].isna().mean() for file in files),
        "duplicates": max(file.duplicated().mean() for file in files),
        "gap_days": 0 if time is None else time.diff().max() / pd.Timedelta(days=1),
        "power": max(plan.power, *power.values(), 0.0),
    }


def _measured(measurement: str, model: type[M], server: preloaded.Server) -> M:
    """Return the result of `slipway.scaffold.measure`, from a process that imports the new problem."""
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [str(server.python), "-m", "slipway.scaffold.measure", measurement, str(answer)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise ToolError(f"{measurement}: {(done.stderr.strip().splitlines() or ['no error output'])[-1]}")
        return model.model_validate_json(answer.read_bytes())


def _next_steps(plan: Plan) -> list[str]:
    """Return the lines to review and the next commands, as text for the user."""
    row, data = render.PACKAGE / "row.py", render.PACKAGE / "data.py"
    return [
        "",
        *first_model(plan.target.task, json.loads(Path("metrics/evaluate.json").read_text(encoding="utf-8"))),
        "",
        "Review:",
        f"  {row}:{_line(row, '# Review')}  limits, units and descriptions of {len(plan.features)} columns",
        *(
            [f"  {row}:{_line(row, '# Excluded columns')}  {len(plan.excluded)} excluded columns, with reasons"]
            if plan.excluded
            else []
        ),
        f"  {data}:{_line(data, 'Review')}  source of new rows",
        f"  {PARAMS}:{_line(PARAMS, 'data:')}  limits of the data checks",
        f"  {PARAMS}:{_line(PARAMS, 'gates:')}  gates on a model",
        "",
        "Next:",
        "  make test",
        "  git add --all && git commit --message 'Make the template ours'",
        "  slipway compare && slipway report",
    ]


def first_model(task: str, evaluated: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the metric of the first model and the baselines, and a warning where a baseline is as good."""
    metric = for_task(task)[limits.PRIMARY[task]]
    scores = {name: values[metric.name] for name, values in evaluated.items()}
    line = f"First model: {metric.name} {', '.join(f'{name} {score:.3g}' for name, score in scores.items())}"
    rivals = [name for name, score in scores.items() if name != "model" and metric.gain(scores["model"] - score) <= 0]
    if not rivals:
        return [line]
    advice = "try fewer trees, other features, or another estimator in src/problem/model.py"
    blocked = ", so `gates.floor` blocks it" if "dummy" in rivals else ""
    return [line, f"It is no better than {' and '.join(rivals)}{blocked}: {advice}"]


def _line(path: Path, text: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.lstrip().startswith(text))

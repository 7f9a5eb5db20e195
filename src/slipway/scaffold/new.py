"""The verb `new`: a table becomes the problem of this fork, in one go, and every number that depends on it is measured.

Each step leaves what git can take back: nothing is begun in a work tree that is not clean.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from slipway import dvc_remote, engine
from slipway.errors import UserError
from slipway.files import write_text
from slipway.git import Git
from slipway.metrics import for_task
from slipway.scaffold import alone, drift, limits, params_file, plan, render, room, work_tree
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.scaffold.params_file import Change
    from slipway.scaffold.plan import Plan, Request

DATA, INCOMING, PARAMS, STORE = Path("data"), Path("incoming"), Path("params.yaml"), Path(".dvcstore")
OBJECTS = STORE / "files"
REPLACED = (render.PACKAGE, render.TESTS, Path("metrics"), OBJECTS)
GROUP = re.compile(r"^(?:#[^\n]*\n)?problem = \[[^\]]*\]\n", re.MULTILINE)
EMPTY_GROUP = "# What src/problem reads besides pandas and scikit-learn, and nobody else.\nproblem = []\n"
PART_ROWS = 500  # of a file at least, so that chance alone moves its columns little
MOST_PARTS = 6
PART_BYTES = 1_500_000  # of a file at most; git is to hold none over two million
UNDO = "`git checkout . && git clean -fd src tests engine.lock && dvc checkout` takes back what was written"


def new(path: Path, request: Request) -> None:
    """Write the problem for the table at `path`, track its data, measure its limits, and train its first model.

    Raises UserError when the work tree is not clean, or when no model can be made of the table.
    """
    work_tree.require_outside(path)
    work_tree.require_clean()
    work_tree.require_nothing_else(*REPLACED)
    made, frame = plan.infer(path, request, read_params()["seed"])
    print(plan.shown(made), flush=True)
    room.require(made, frame)
    try:
        engine.write_lock(Git(Path()), "HEAD")
        _write(made, frame)
        _measure(made)
        _say("training the first model: dvc repro")
        work_tree.dvc("repro", "--quiet")
        dvc_remote.push_data(Path("data.dvc"))
    except UserError as error:
        raise UserError(f"{error}; {UNDO}") from None
    print("\n".join(_farewell(made)))


def _say(step: str) -> None:
    print(f"new: {step}", file=sys.stderr, flush=True)


def _write(made: Plan, frame: pd.DataFrame) -> None:
    """The package, its tests, its data, and the dependencies without those of the problem before."""
    _say(f"writing {render.PACKAGE}, {render.TESTS} and {DATA}")
    written = render.render(made)
    for folder in (render.PACKAGE, render.TESTS, DATA, Path("metrics")):
        shutil.rmtree(folder, ignore_errors=True)
    for place, text in written.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, text)
    _edit(limits.of_plan(made, params_file.places(PARAMS.read_text(encoding="utf-8"))), limits.SAMPLE_ONLY)
    _take_in(made, frame)
    shutil.rmtree(OBJECTS, ignore_errors=True)  # the data of the problem before, wherever the new one's goes
    work_tree.dvc("add", "--quiet", str(DATA))
    pyproject = Path("pyproject.toml")
    write_text(pyproject, GROUP.sub(EMPTY_GROUP, pyproject.read_text(encoding="utf-8")))
    work_tree.uv("lock", "--quiet")


def _edit(changes: Mapping[str, Change], removed: tuple[str, ...] = ()) -> None:
    write_text(PARAMS, params_file.edit(PARAMS.read_text(encoding="utf-8"), changes, removed))


def _take_in(made: Plan, frame: pd.DataFrame) -> None:
    """Put the rows through `next_batch`, as later files will be, in parts that git can hold."""
    if INCOMING.exists():
        raise UserError(f"{INCOMING}: there already; move it away, and put its files back when `slipway new` is done")
    INCOMING.mkdir()
    try:
        for number, part in enumerate(parts(frame, made.time.source if made.time else ""), start=1):
            part[list(made.taken)].to_parquet(INCOMING / f"{number:04}-{Path(made.file).stem}.parquet", index=False)
        _asked("take_in")
    finally:
        shutil.rmtree(INCOMING)


def parts(frame: pd.DataFrame, time: str) -> list[pd.DataFrame]:
    """The rows in files of about equal length, never two of one moment in two files."""
    size = frame.memory_usage(deep=True).sum()
    count = max(1, min(len(frame) // PART_ROWS, MOST_PARTS), round(size / PART_BYTES / 8))
    starts = sorted({_start(frame, round(len(frame) * place / count), time) for place in range(count)})
    return [frame.iloc[one:other] for one, other in zip(starts, [*starts[1:], len(frame)], strict=True) if other > one]


def _start(frame: pd.DataFrame, row: int, time: str) -> int:
    """The first row of the moment of `row`."""
    return int((frame[time] == frame[time].iloc[row]).to_numpy().argmax()) if time else row


def _measure(made: Plan) -> None:
    """Set each limit that depends on the data or the model from a measurement of it."""
    _say("measuring the data, the training, and the first model")
    params = read_params()
    files = [pd.read_parquet(file) for file in sorted(DATA.glob("*.parquet"))]
    compared = drift.pairs(files, params["data"]["suites"]["sample_rows"], params["seed"])
    _edit(limits.of_data(drift.measure(compared, made), _shares(made, files, params["seed"])))
    _edit(limits.of_training(_asked("training")))
    work_tree.dvc("repro", "--quiet", "evaluate")
    _edit(limits.of_gates(made, _asked("comparison")))


def _shares(made: Plan, files: list[pd.DataFrame], seed: int) -> dict[str, float]:
    frame = pd.concat(files, ignore_index=True)
    names = [feature.name for feature in made.features]
    power = alone.powers(frame, names, made.target.name, made.target.task, seed)
    time = frame[made.time.name].sort_values() if made.time else None
    return {
        "unlabelled": max(file[made.target.name].isna().mean() for file in files),
        "duplicates": max(file.duplicated().mean() for file in files),
        "gap_days": 0 if time is None else time.diff().max() / pd.Timedelta(days=1),
        "power": max(power.values()),
    }


def _asked(question: str) -> dict[str, Any]:
    """The answer of `slipway.scaffold.measure`, in a process that knows the new problem."""
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-W", "ignore", "-m", "slipway.scaffold.measure", question, str(answer)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise UserError(f"measuring {question}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
        return json.loads(answer.read_text(encoding="utf-8"))


def _farewell(made: Plan) -> list[str]:
    """Where a person has to look, and what comes next."""
    row, data = render.PACKAGE / "row.py", render.PACKAGE / "data.py"
    return [
        "",
        *first_model(made.target.task, json.loads(Path("metrics/evaluate.json").read_text(encoding="utf-8"))),
        "",
        "Review:",
        f"  {row}:{_line(row, '# Review')}  limits, units and descriptions of {len(made.features)} columns",
        *(
            [f"  {row}:{_line(row, '# Not here')}  {len(made.left_out)} columns left out, and why"]
            if made.left_out
            else []
        ),
        f"  {data}:{_line(data, 'Review')}  where new rows will come from",
        f"  {PARAMS}:{_line(PARAMS, 'data:')}  what the data checks allow",
        f"  {PARAMS}:{_line(PARAMS, 'gates:')}  what a model has to reach",
        "",
        "Next:",
        "  make test",
        "  git add --all && git commit --message 'Make the template ours'",
        "  slipway compare && slipway report",
    ]


def first_model(task: str, evaluated: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The first model beside the baselines, and a word on it where one of them is as good."""
    metric = for_task(task)[limits.PRIMARY[task]]
    scores = {name: each[metric.name] for name, each in evaluated.items()}
    found = f"First model: {metric.name} {', '.join(f'{name} {score:.3g}' for name, score in scores.items())}"
    rivals = [name for name, score in scores.items() if name != "model" and metric.gain(scores["model"] - score) <= 0]
    if not rivals:
        return [found]
    what = "fewer trees, other features, or another model.py?"
    blocked = "; `gates.floor` blocks it until it is" if "dummy" in rivals else ""
    return [found, f"It is no better than {' and '.join(rivals)}{blocked}: {what}"]


def _line(path: Path, text: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.lstrip().startswith(text))

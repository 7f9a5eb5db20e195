"""Batch prediction: the service's answers bit for bit, whatever the file, and whenever it is killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from slipway.errors import UserError
from slipway.score import run
from slipway.score.run import Job, score

PARAMS = {"chunk_rows": 100, "threads": 2}
DRIVER = """
import re, sys, time
from pathlib import Path
import problem
from slipway.score import run
from slipway.score.run import Job, score
source, target, model, rows, *slowly = sys.argv[1:]
do = run._do
if slowly:
    run._do = lambda *arguments: (time.sleep(0.03), do(*arguments))
score(Job(Path(source), Path(target), Path(model), "v1.2.3", problem.Row), {"chunk_rows": int(rows), "threads": 2})
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
PATIENCE = 60  # seconds


def table(rows: int, seed: int = 7) -> pa.Table:
    """Rows of the toy problem, with a key, all of them valid."""
    draw = np.random.default_rng(seed)
    weight = draw.normal(size=rows) * 10.0 ** draw.integers(-30, 30, rows)
    return pa.table(
        {
            "key": [f"row {number}" for number in range(rows)],
            "size": draw.uniform(0, 100, rows),
            "count": draw.integers(1, 10, rows),
            "kind": draw.choice(["a", "b"], rows),
            "name": draw.choice(["XY", "PQ", "::"], rows),
            "weight": pa.array(weight, mask=draw.random(rows) < 0.2),
        }
    )


@pytest.fixture
def write(tmp_path):
    """Write a table as a file of this name."""

    def written(rows: pa.Table, name: str):
        path = tmp_path / name
        (pq.write_table if path.suffix == ".parquet" else pacsv.write_csv)(rows, path)
        return path

    return written


@pytest.fixture
def job(toy, model_dir, tmp_path):
    """A job on a file of the toy problem."""

    def make(source, target: str = "out.parquet", **options) -> Job:
        return Job(source, tmp_path / target, model_dir, "v1.2.3", toy.Row, **options)

    return make


def read(path) -> pa.Table:
    return pq.read_table(path) if path.suffix == ".parquet" else pacsv.read_csv(path)


@pytest.mark.parametrize("source", ["in.parquet", "in.csv"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv"])
def test_the_answers_are_those_of_the_service_bit_for_bit(url, job, write, source, target):
    rows = table(730)
    done = score(one := job(write(rows, source), target), PARAMS)
    asked = httpx.post(f"{url}/predict", json=rows.drop_columns("key").to_pylist()).json()["predictions"]
    answered = read(one.target)
    assert (730, 0) == (done.scored, done.broken)
    assert asked == answered["prediction"].to_pylist()
    assert (rows["key"].to_pylist(), list(range(730))) == (answered["key"].to_pylist(), answered["row"].to_pylist())


def test_the_file_says_which_release_answered(job, write):
    score(one := job(write(table(3), "in.parquet")), PARAMS)
    assert b"v1.2.3" == pq.read_schema(one.target).metadata[b"slipway.release"]


SPOILED = {"in.parquet": {"size": 101.5, "count": 0}, "in.csv": {"size": "much", "count": "1.5"}}


@pytest.mark.parametrize("source", SPOILED)
def test_a_broken_row_is_refused_by_file_row_column_and_rule(job, write, source):
    with pytest.raises(UserError, match=rf"{source}: row 250: size is .*: Input should be .*--skip-bad"):
        score(one := job(write(_spoil(table(300), SPOILED[source], 250), source)), PARAMS)
    assert not one.target.exists()


@pytest.mark.parametrize("source", SPOILED)
@pytest.mark.parametrize("aside", ["bad.parquet", "bad.csv"])
def test_broken_rows_are_written_aside_and_the_others_are_scored(job, write, tmp_path, source, aside):
    rows = table(300)
    spoiled = _spoil(_spoil(rows, SPOILED[source], 250), SPOILED[source], 20)
    score(whole := job(write(rows, f"whole-{source}"), "whole.parquet"), PARAMS)
    done = score(one := job(write(spoiled, source), skip_bad=tmp_path / aside), PARAMS)
    bad = read(tmp_path / aside).to_pylist()
    assert (298, 2) == (done.scored, done.broken)
    assert [("20", "row 20"), ("250", "row 250")] == [(str(row["row"]), row["key"]) for row in bad]
    assert all("size is" in row["broken"] and "count is" in row["broken"] for row in bad)
    assert set(rows.column_names) <= bad[0].keys()
    answers = dict(zip(*(read(whole.target)[name].to_pylist() for name in ("row", "prediction")), strict=True))
    kept = read(one.target)
    assert [answers[row] for row in kept["row"].to_pylist()] == kept["prediction"].to_pylist()


def test_a_refused_file_is_scored_once_it_is_told_where_broken_rows_go(job, write, tmp_path):
    source = write(_spoil(table(300), SPOILED["in.csv"], 250), "in.csv")
    with pytest.raises(UserError):
        score(job(source), PARAMS)
    done = score(job(source, skip_bad=tmp_path / "bad.csv"), PARAMS)
    assert (299, 1) == (done.scored, done.broken)


def test_rows_that_were_mended_can_be_scored_by_their_old_numbers(job, write, tmp_path):
    score(job(write(_spoil(table(300), {"count": "0"}, 250), "in.csv"), skip_bad=tmp_path / "bad.csv"), PARAMS)
    bad = pacsv.read_csv(tmp_path / "bad.csv")
    score(one := job(write(_spoil(bad, {"count": "3"}, 0), "mended.csv"), "mended.parquet"), PARAMS)
    assert ["250"] == read(one.target)["row"].to_pylist()


def _spoil(rows: pa.Table, values: dict, at: int) -> pa.Table:
    for name, value in values.items():
        column = rows[name].to_pylist()
        column = [str(one) for one in column] if isinstance(value, str) else column
        column[at] = value
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(column))
    return rows


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda rows: rows.drop_columns("size"), r"in\.parquet: has no column size, which Row asks for"),
        (lambda rows: rows.append_column("prediction", rows["size"]), "has a column prediction, as the answers do"),
        (lambda rows: _spoil(rows, {"size": "1.5"}, 0), "column size is of type string; write numbers into it"),
        (lambda rows: rows.append_column("size", rows["size"]), "has the column size twice"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_in_one_line(job, write, change, complaint):
    with pytest.raises(UserError, match=complaint):
        score(job(write(change(table(5)), "in.parquet")), PARAMS)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", r"cannot be read \(Empty CSV file"),
        (b"size,count,kind,name,weight\n1,2\n", "row 0 has 2 fields, the header has 5"),
        (b"size,count,kind,name,weight\n1,2,\xff,XY,\n", "not utf-8; set --encoding of `slipway new`, or `CSV` of"),
    ],
)
def test_a_file_that_is_no_csv_is_refused_in_one_line(job, tmp_path, content, complaint):
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"in\.csv: {complaint}"):
        score(job(tmp_path / "in.csv"), PARAMS)


def test_a_list_does_not_fit_into_csv(job, write):
    rows = table(2).append_column("many", pa.array([[1], [2]]))
    with pytest.raises(UserError, match="CSV cannot hold column many"):
        score(job(write(rows, "in.parquet"), "out.csv"), PARAMS)


@pytest.mark.parametrize("source", ["in.parquet", "in.csv"])
def test_a_file_without_rows_has_an_answer_without_rows(job, write, source):
    assert 0 == score(one := job(write(table(3).slice(0, 0), source)), PARAMS).scored
    assert ["row", "key", "prediction"] == read(one.target).column_names


def test_of_several_classes_the_likeliest_is_named_and_each_has_its_probability():
    class Model:
        signature = {"task": "multiclass", "classes": ["red", "blue"]}  # noqa: RUF012

        def predict(self, _):
            return np.array([[0.25, 0.75], [0.5, 0.5]])

    answers = {name: one.to_pylist() for name, one in run._answers(Model(), {}, 2).items()}
    expected = {"prediction": ["blue", "red"], "probability_red": [0.25, 0.5], "probability_blue": [0.75, 0.5]}
    assert expected == answers


def _start(serve_environment, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *map(str, arguments)],
        env=serve_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture
def elsewhere(toy):
    """Environment of a process whose problem is the toy one."""
    return os.environ | {"PYTHONPATH": str(Path(toy.__file__).parents[1])}


@pytest.mark.parametrize(("source", "target"), [("in.parquet", "out.parquet"), ("in.csv", "out.csv")])
def test_killed_again_and_again_it_goes_on_and_writes_the_same_bytes(
    elsewhere, job, model_dir, tmp_path, write, source, target
):
    path, chunks = write(table(6000), source), 60
    assert 6000 == score(undisturbed := job(path, f"undisturbed-{target}"), PARAMS).scored
    parts, points = tmp_path / f".{target}.parts", sorted(random.Random(target).sample(range(1, chunks), 3))
    for point in points:
        process = _start(elsewhere, path, tmp_path / target, model_dir, PARAMS["chunk_rows"], "slowly")
        _until(lambda point=point: len(list(parts.glob("*.scored.arrow"))) >= point, process)
        process.kill()
        process.communicate()
        assert (-9, False) == (process.returncode, (tmp_path / target).exists())
    assert 100 * points[-1] <= score(job(path, target), PARAMS).resumed < 6000
    assert undisturbed.target.read_bytes() == (tmp_path / target).read_bytes()
    assert not parts.exists()


def _until(true, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_killed_while_it_puts_the_parts_together_it_does_so_again(job, write, tmp_path, monkeypatch):
    path = write(table(1000), "in.parquet")
    score(undisturbed := job(path, "undisturbed.parquet"), PARAMS)
    with monkeypatch.context() as patched:
        patched.setattr(run.tables, "write", _die)
        with pytest.raises(KeyboardInterrupt):
            score(job(path), PARAMS)
    assert not (tmp_path / "out.parquet").exists()
    done = score(job(path), PARAMS)
    assert 1000 == done.resumed
    assert undisturbed.target.read_bytes() == (tmp_path / "out.parquet").read_bytes()


def _die(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("change", ["file", "rows"])
def test_what_was_done_on_another_file_or_in_other_chunks_is_not_taken(job, write, monkeypatch, change):
    with monkeypatch.context() as patched:
        patched.setattr(run.tables, "write", _die)
        with pytest.raises(KeyboardInterrupt):
            score(job(write(table(300), "in.parquet")), PARAMS)
    source = write(table(300, seed=8 if change == "file" else 7), "in.parquet")
    assert 0 == score(job(source), PARAMS | ({"chunk_rows": 50} if change == "rows" else {})).resumed


def test_two_runs_do_not_write_one_file(job, write):
    one = job(write(table(10), "in.parquet"))
    with run.Parts.of(one.target, {}), pytest.raises(UserError, match=r"out\.parquet: another run is writing it"):
        score(one, PARAMS)


def test_memory_follows_the_chunk_and_not_the_file(elsewhere, model_dir, tmp_path):
    rows, times = 40_000, 8
    notes = np.random.default_rng(1).bytes(100 * rows).hex()
    part = table(rows).append_column("note", pa.array([notes[200 * at : 200 * at + 200] for at in range(rows)]))
    for name, count in (("short", 1), ("long", times)):
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", part.schema) as file:
            for _ in range(count):
                file.write_table(part)
    pq.write_table(pa.concat_tables([part] * times), tmp_path / "whole.parquet", row_group_size=times * rows)
    chunks = {"short": 5000, "long": 5000, "whole": times * rows}
    short, long, at_once = (
        _megabytes(elsewhere, model_dir, tmp_path / f"{name}.parquet", chunk) for name, chunk in chunks.items()
    )
    assert 30 > long - short
    assert 60 < at_once - short


def _megabytes(environment, model_dir, source, rows: int) -> float:
    """Most memory that a run on `source` takes."""
    process = _start(environment, source, source.with_name("out.parquet"), model_dir, rows)
    return int(process.communicate()[0]) / 1024

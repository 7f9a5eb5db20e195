"""Batch prediction returns the service's predictions bit for bit, for any file, and after any kill."""

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

from slipway.errors import BusyError, DataError
from slipway.score import run
from slipway.score.run import ScoreJob, score
from slipway.settings.serving import ScoreSection

PARAMS = ScoreSection(chunk_rows=100, threads=2)
DRIVER = """
import re, sys, time
from pathlib import Path
import problem
from slipway.score import run
from slipway.score.run import ScoreJob, score
from slipway.settings.serving import ScoreSection
source, target, model, rows, *slowly = sys.argv[1:]
score_chunk = run._score_chunk
if slowly:
    run._score_chunk = lambda *arguments: (time.sleep(0.03), score_chunk(*arguments))
limits = ScoreSection(chunk_rows=int(rows), threads=2)
score(ScoreJob(Path(source), Path(target), Path(model), "v1.2.3", problem.Row), limits)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
TIMEOUT_SECONDS = 60


def table(rows: int, seed: int = 7) -> pa.Table:
    """Return valid rows of the toy problem, with a key."""
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
    """Return a function that writes a table to a file with this name."""

    def write_file(rows: pa.Table, name: str):
        path = tmp_path / name
        (pq.write_table if path.suffix == ".parquet" else pacsv.write_csv)(rows, path)
        return path

    return write_file


@pytest.fixture
def job(toy, model_dir, tmp_path):
    """Return a function that makes a job for a file of the toy problem."""

    def make(source, target: str = "out.parquet", **options) -> ScoreJob:
        return ScoreJob(source, tmp_path / target, model_dir, "v1.2.3", toy.Row, **options)

    return make


def read(path) -> pa.Table:
    return pq.read_table(path) if path.suffix == ".parquet" else pacsv.read_csv(path)


@pytest.mark.parametrize("source", ["in.parquet", "in.csv"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv"])
def test_the_predictions_are_those_of_the_service_bit_for_bit(url, job, write, source, target):
    rows = table(730)
    done = score(scored := job(write(rows, source), target), PARAMS)
    expected = httpx.post(f"{url}/predict", json=rows.drop_columns("key").to_pylist()).json()["predictions"]
    output = read(scored.target)
    assert (730, 0) == (done.scored, done.broken)
    assert expected == output["prediction"].to_pylist()
    assert (rows["key"].to_pylist(), list(range(730))) == (output["key"].to_pylist(), output["row"].to_pylist())


def test_the_file_records_the_release(job, write):
    score(scored := job(write(table(3), "in.parquet")), PARAMS)
    assert b"v1.2.3" == pq.read_schema(scored.target).metadata[b"slipway.release"]


INVALID = {"in.parquet": {"size": 101.5, "count": 0}, "in.csv": {"size": "much", "count": "1.5"}}


@pytest.mark.parametrize("source", INVALID)
def test_an_invalid_row_is_refused_with_file_row_column_and_rule(job, write, source):
    with pytest.raises(DataError, match=rf"{source}: row 250: size is .*: Input should be .*--skip-bad"):
        score(scored := job(write(_replace(table(300), INVALID[source], 250), source)), PARAMS)
    assert not scored.target.exists()


@pytest.mark.parametrize("source", INVALID)
@pytest.mark.parametrize("skipped", ["bad.parquet", "bad.csv"])
def test_invalid_rows_are_written_to_a_file_and_the_others_are_scored(job, write, tmp_path, source, skipped):
    rows = table(300)
    changed = _replace(_replace(rows, INVALID[source], 250), INVALID[source], 20)
    score(whole := job(write(rows, f"whole-{source}"), "whole.parquet"), PARAMS)
    done = score(scored := job(write(changed, source), skip_bad=tmp_path / skipped), PARAMS)
    bad = read(tmp_path / skipped).to_pylist()
    assert (298, 2) == (done.scored, done.broken)
    assert [("20", "row 20"), ("250", "row 250")] == [(str(row["row"]), row["key"]) for row in bad]
    assert all("size is" in row["broken"] and "count is" in row["broken"] for row in bad)
    assert set(rows.column_names) <= bad[0].keys()
    answers = dict(zip(*(read(whole.target)[name].to_pylist() for name in ("row", "prediction")), strict=True))
    kept = read(scored.target)
    assert [answers[row] for row in kept["row"].to_pylist()] == kept["prediction"].to_pylist()


def test_a_refused_file_is_scored_once_a_file_for_invalid_rows_is_set(job, write, tmp_path):
    source = write(_replace(table(300), INVALID["in.csv"], 250), "in.csv")
    with pytest.raises(DataError):
        score(job(source), PARAMS)
    done = score(job(source, skip_bad=tmp_path / "bad.csv"), PARAMS)
    assert (299, 1) == (done.scored, done.broken)


def test_fixed_rows_keep_their_original_numbers(job, write, tmp_path):
    score(job(write(_replace(table(300), {"count": "0"}, 250), "in.csv"), skip_bad=tmp_path / "bad.csv"), PARAMS)
    bad = pacsv.read_csv(tmp_path / "bad.csv")
    score(scored := job(write(_replace(bad, {"count": "3"}, 0), "fixed.csv"), "fixed.parquet"), PARAMS)
    assert ["250"] == read(scored.target)["row"].to_pylist()


def _replace(rows: pa.Table, values: dict, index: int) -> pa.Table:
    for name, value in values.items():
        column = rows[name].to_pylist()
        column = [str(cell) for cell in column] if isinstance(value, str) else column
        column[index] = value
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(column))
    return rows


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda rows: rows.drop_columns("size"), r"in\.parquet: has no column size, which Row requires"),
        (
            lambda rows: rows.append_column("prediction", rows["size"]),
            "column prediction conflicts with a column of the predictions",
        ),
        (lambda rows: _replace(rows, {"size": "1.5"}, 0), "column size has type string; it must contain numbers"),
        (lambda rows: rows.append_column("size", rows["size"]), "column size is repeated"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_in_one_line(job, write, change, complaint):
    with pytest.raises(DataError, match=complaint):
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
    with pytest.raises(DataError, match=rf"in\.csv: {complaint}"):
        score(job(tmp_path / "in.csv"), PARAMS)


def test_csv_does_not_support_lists(job, write):
    rows = table(2).append_column("many", pa.array([[1], [2]]))
    with pytest.raises(DataError, match="CSV does not support column many"):
        score(job(write(rows, "in.parquet"), "out.csv"), PARAMS)


@pytest.mark.parametrize("source", ["in.parquet", "in.csv"])
def test_a_file_without_rows_has_an_output_without_rows(job, write, source):
    assert 0 == score(scored := job(write(table(3).slice(0, 0), source)), PARAMS).scored
    assert ["row", "key", "prediction"] == read(scored.target).column_names


def test_several_classes_have_the_top_class_and_a_probability_each():
    class Model:
        signature = {"task": "multiclass", "classes": ["red", "blue"]}  # noqa: RUF012

        def predict(self, _):
            return np.array([[0.25, 0.75], [0.5, 0.5]])

    predictions = {name: column.to_pylist() for name, column in run._predictions(Model(), {}, 2).items()}
    expected = {"prediction": ["blue", "red"], "probability_red": [0.25, 0.5], "probability_blue": [0.75, 0.5]}
    assert expected == predictions


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
    """Return the environment of a process with the toy problem."""
    return os.environ | {"PYTHONPATH": str(Path(toy.__file__).parents[1])}


@pytest.mark.parametrize(("source", "target"), [("in.parquet", "out.parquet"), ("in.csv", "out.csv")])
def test_a_run_that_is_killed_repeatedly_resumes_and_writes_the_same_bytes(
    elsewhere, job, model_dir, tmp_path, write, source, target
):
    path, chunks = write(table(6000), source), 60
    assert 6000 == score(undisturbed := job(path, f"undisturbed-{target}"), PARAMS).scored
    parts, points = tmp_path / f".{target}.parts", sorted(random.Random(target).sample(range(1, chunks), 3))
    for point in points:
        process = _start(elsewhere, path, tmp_path / target, model_dir, PARAMS.chunk_rows, "slowly")
        _until(lambda point=point: len(list(parts.glob("*.scored.arrow"))) >= point, process)
        process.kill()
        process.communicate()
        assert (-9, False) == (process.returncode, (tmp_path / target).exists())
    assert 100 * points[-1] <= score(job(path, target), PARAMS).resumed < 6000
    assert undisturbed.target.read_bytes() == (tmp_path / target).read_bytes()
    assert not parts.exists()


def _until(true, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not true() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_run_that_is_killed_during_the_final_write_repeats_it(job, write, tmp_path, monkeypatch):
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
def test_checkpoints_of_another_file_or_chunk_size_are_discarded(job, write, monkeypatch, change):
    with monkeypatch.context() as patched:
        patched.setattr(run.tables, "write", _die)
        with pytest.raises(KeyboardInterrupt):
            score(job(write(table(300), "in.parquet")), PARAMS)
    source = write(table(300, seed=8 if change == "file" else 7), "in.parquet")
    assert 0 == score(job(source), PARAMS.model_copy(update={"chunk_rows": 50} if change == "rows" else {})).resumed


def test_two_runs_cannot_write_the_same_file(job, write):
    locked = job(write(table(10), "in.parquet"))
    with (
        run.Checkpoints.of(locked.target, {}),
        pytest.raises(BusyError, match=r"out\.parquet: another run is writing it"),
    ):
        score(locked, PARAMS)


def test_memory_depends_on_the_chunk_and_not_on_the_file(elsewhere, model_dir, tmp_path):
    rows, times = 40_000, 8
    notes = np.random.default_rng(1).bytes(100 * rows).hex()
    block = table(rows).append_column("note", pa.array([notes[200 * row : 200 * row + 200] for row in range(rows)]))
    for name, count in (("short", 1), ("long", times)):
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", block.schema) as file:
            for _ in range(count):
                file.write_table(block)
    pq.write_table(pa.concat_tables([block] * times), tmp_path / "whole.parquet", row_group_size=times * rows)
    chunks = {"short": 5000, "long": 5000, "whole": times * rows}
    short, long, whole = (
        _megabytes(elsewhere, model_dir, tmp_path / f"{name}.parquet", chunk) for name, chunk in chunks.items()
    )
    assert long - short < 30
    assert whole - short > 60


def _megabytes(environment, model_dir, source, rows: int) -> float:
    """Return the peak memory of a run on `source`, in MiB."""
    process = _start(environment, source, source.with_name("out.parquet"), model_dir, rows)
    return int(process.communicate()[0]) / 1024


class Recorder:
    """A sample that records the chunks and columns that it may draw from."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, list[str]]] = []

    def add(self, chunk, features) -> None:
        self.chunks.append((chunk.number, features.schema.names))


def test_the_sample_is_drawn_from_every_chunk_also_of_an_interrupted_run(job, toy, write, monkeypatch):
    scored, score_chunk = job(write(table(730), "in.parquet")), run._score_chunk

    def interrupted(chunk, *arguments):
        if chunk.number == 4:
            raise InterruptedError
        score_chunk(chunk, *arguments)

    monkeypatch.setattr(run, "_score_chunk", interrupted)
    with pytest.raises(InterruptedError):
        score(scored, PARAMS)
    monkeypatch.setattr(run, "_score_chunk", score_chunk)
    recorder = Recorder()
    assert 0 < score(scored, PARAMS, recorder).resumed < 730
    assert [(number, list(toy.Row.model_fields)) for number in range(8)] == recorder.chunks

"""A comparison reads the test rows in batches: the evidence is that of all rows together, in little memory for each."""

from __future__ import annotations

import json
import tracemalloc
from types import SimpleNamespace
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydantic import Field, create_model

import problem
from slipway import predictor
from slipway.evaluation import bootstrap
from slipway.explainer import Explainer
from slipway.pipeline import evaluate, tables
from slipway.pull_request import compare, explained
from slipway.release.champion import Champion
from slipway.settings import read_settings

ROWS = 103
SHIPPED = read_settings()
Fraction = Annotated[float, Field(ge=0, le=1)]
NUMBERS = [f"size_{number}" for number in range(40)]
Row = create_model("Row", kind=Literal["a", "b"], **dict.fromkeys(NUMBERS, Fraction))
FORMER = "former"


def _load(folder):
    """Return a model that predicts a column, squared by the former release."""

    def predict(columns):
        scores = np.asarray(columns["size_0"], float)
        if folder.name != FORMER:
            return scores
        SIZES.append(len(scores))
        return scores**2

    return SimpleNamespace(predict=predict, signature=predictor.signature(folder))


SIZES: list[int] = []
"""Number of rows of each prediction of the former release."""


@pytest.fixture(autouse=True)
def problem_of_numbers(monkeypatch):
    """Let the problem have a segment and many numbers, and each model two background rows."""
    for name, value in {"Row": Row, "TARGET": "late", "TASK": "binary", "SEGMENTS": ("kind",)}.items():
        monkeypatch.setattr(problem, name, value)
    monkeypatch.setattr(predictor, "load", _load)
    background = {"kind": ["a", "b"], **dict.fromkeys(NUMBERS, (0.2, 0.5))}
    monkeypatch.setattr(explained, "read_explainer", lambda _, model, __: Explainer(model, background, 1))


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Return a function that compares two models on some rows, in batches of some size, and returns the evidence."""

    def measure(batch_rows, rows=ROWS):
        random = np.random.default_rng(1)
        frame = pd.DataFrame(random.random((rows, len(NUMBERS))), columns=NUMBERS)
        score = frame["size_0"].to_numpy()
        frame["kind"], frame["late"] = random.choice(["a", "b"], rows), (random.random(rows) < score).astype(int)
        frame.to_parquet(tmp_path / "test.parquet")
        evaluate.write_predictions(tmp_path / "scores.parquet", {"model": score, "linear": score[::-1].copy()})
        columns = [{"name": name, "kind": "number"} for name in NUMBERS] + [{"name": "kind", "kind": "category"}]
        signature = {"task": "binary", "target": "late", "classes": [0, 1], "columns": columns}
        for folder in (FORMER, "new"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / predictor.SIGNATURE).write_text(json.dumps(signature))
        new = compare.Candidate(tmp_path / "new", tmp_path / "test.parquet", tmp_path / "scores.parquet")
        champion = Champion("v0.1.0", "digest", "commit", tmp_path / FORMER)
        del frame, score
        tracemalloc.reset_peak()
        gates = SHIPPED.gates.model_copy(update={"resamples": 10, "latency_calls": 2})
        monkeypatch.setattr(tables, "BATCH_ROWS", batch_rows)
        SIZES.clear()
        evidence = compare.measure(champion, None, SHIPPED.model_copy(update={"gates": gates}), new)
        return evidence.model_dump(exclude={"milliseconds"})

    return measure


def test_the_evidence_is_that_of_all_rows_and_no_model_reads_more_than_a_batch(measured):
    whole, batches = measured(1000), measured(8)
    assert {"kind=a", "kind=b", "all"} == whole["production"].keys()
    assert whole["explained"]["champion"] is not None
    assert whole == batches
    assert 8 == max(SIZES)


def test_a_problem_without_segments_compares_all_rows(measured, monkeypatch):
    monkeypatch.setattr(problem, "SEGMENTS", ())
    evidence = measured(8)
    assert ["all"] == list(evidence["production"])
    assert ROWS == evidence["production"]["all"][0]["rows"]


def test_a_row_takes_the_memory_of_its_predictions_and_not_of_its_columns(measured, monkeypatch):
    monkeypatch.setattr(bootstrap, "BATCH_WEIGHTS_MAX", 20_000)
    peaks = []
    tracemalloc.start()
    for rows in (10_000, 40_000):
        measured(5000, rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] - peaks[0] <= 30_000 * 250  # bytes; the features alone have 160 for each row


@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_predictions_are_read_as_evaluate_wrote_them(tmp_path, shape):
    scores = np.random.default_rng(2).random(shape)
    scores[3] = np.nan
    evaluate.write_predictions(tmp_path / "scores.parquet", {"model": scores})
    np.testing.assert_array_equal(scores, compare._scores(pq.read_table(tmp_path / "scores.parquet")["model"]))

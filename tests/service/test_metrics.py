"""Metrics in the format of Prometheus, summed over all workers."""

from __future__ import annotations

import ast
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from slipway.serving import metrics
from slipway.serving.counts import SharedCounts
from slipway.serving.metrics import COUNTERS, Metrics

BINARY = {"task": "binary", "classes": [0, 1]}
MULTICLASS = {"task": "multiclass", "classes": ['a "b"', "c\\d\n"]}
REGRESSION = {"task": "regression", "classes": None}


def samples(text: bytes | str) -> dict[tuple, float]:
    """Return the value of each sample, by its name and the values of its labels."""
    text = text if isinstance(text, str) else text.decode()
    families = text_string_to_metric_families(text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


@pytest.fixture
def make(monkeypatch):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    return lambda signature, edges=(): Metrics({"version": "v1", "commit": "c0ffee"}, signature, edges)


def test_a_request_is_counted_by_status_and_time(make):
    counted = make(BINARY)
    for status, seconds in ((200, 0.003), (422, 0.3), (200, 60.0)):
        counted.answered(status, seconds)
    values = samples(counted.text())
    assert (2, 1) == (values["slipway_requests_total", "200"], values["slipway_requests_total", "422"])
    times = [values["slipway_request_seconds_bucket", edge] for edge in ("0.0025", "0.005", "0.5", "10.0", "+Inf")]
    assert [0, 1, 2, 2, 3] == times
    assert pytest.approx(60.303) == values["slipway_request_seconds_sum",]


def test_an_unknown_status_or_reason_fails_no_request(make):
    counted = make(BINARY)
    counted.answered(299, 0.1)
    counted.refused("unknown")
    values = samples(counted.text())
    assert (1, 1) == (values["slipway_requests_total", "other"], values["slipway_rejections_total", "other"])


def test_every_reason_of_a_refusal_is_listed():
    listed = set(COUNTERS["slipway_rejections"][2])
    trees = [ast.parse(path.read_text()) for path in Path(metrics.__file__).parent.glob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    raised = {call.args[1].value for call in calls if getattr(call.func, "id", "") == "RefusedError"}
    assert "contract" in raised
    assert set() == raised - listed


@pytest.mark.parametrize("number", [1, 500])
def test_single_number_predictions_have_one_histogram(make, number):
    counted = make(BINARY)
    counted.predicted(np.full(number, 0.2))
    counted.predicted(np.full(number, 0.9))
    values = samples(counted.text())
    expected = [0, number, number, 2 * number]
    assert expected == [values["slipway_prediction_bucket", edge] for edge in ("0.15", "0.2", "0.85", "0.9")]
    assert 2 * number == values["slipway_rows_total",] == values["slipway_prediction_count",]
    assert pytest.approx(1.1 * number) == values["slipway_prediction_sum",]


def test_each_class_has_a_histogram_with_any_name(make):
    counted = make(MULTICLASS)
    counted.predicted(np.array([[0.25, 0.75], [0.1, 0.9]]))
    values = samples(counted.text())
    assert [2, 1] == [values["slipway_prediction_bucket", name, "0.8"] for name in MULTICLASS["classes"]]
    assert 2 == values["slipway_rows_total",]


def test_values_are_distinguished_by_size_and_sign(make):
    counted = make(REGRESSION)
    counted.predicted(np.array([-1500.0, 0.0, 0.3, 7.0]))
    values = samples(counted.text())
    buckets = ("-2000.0", "-1000.0", "0.0", "0.5", "10.0")
    assert [0, 1, 2, 3, 4] == [values["slipway_prediction_bucket", edge] for edge in buckets]


def test_edges_can_be_configured(make):
    counted = make(REGRESSION, [0, 30])
    counted.predicted(np.array([-5.0, 12.0, 99.0]))
    values = samples(counted.text())
    assert [1, 2, 3] == [values["slipway_prediction_bucket", edge] for edge in ("0.0", "30.0", "+Inf")]


def test_the_counts_of_a_worker_outlive_it(tmp_path, monkeypatch):
    first = SharedCounts(["a", "b"], str(tmp_path))
    first.values[0] += 2
    monkeypatch.setattr(os, "getpid", lambda: 0)  # the worker that replaces it
    second = SharedCounts(["a", "b"], str(tmp_path))
    second.values[0] += 1
    assert [3, 0] == second.total().tolist()


def test_the_counts_of_another_service_are_not_added(tmp_path):
    SharedCounts(["a", "b"], str(tmp_path)).values[0] += 2
    assert [0, 0, 0] == SharedCounts(["a", "b", "c"], str(tmp_path)).total().tolist()


def test_without_a_writable_folder_a_worker_counts_alone(tmp_path, caplog):
    (tmp_path / "file").touch()
    counts = SharedCounts(["a"], str(tmp_path / "file"))
    counts.values[0] += 1
    assert [1] == counts.total().tolist()
    assert "the metrics of this worker are not shared" in caplog.text


def test_the_counts_of_two_workers_are_summed(serve, model_dir, tmp_path, row):
    options = {"BENTOML_CONFIG_OPTIONS": "services.slipway.workers=2"}
    with serve(model_dir, tmp_path, **options) as (url, _):
        sent, deadline = 0, time.monotonic() + 20
        while len(workers_that_counted(tmp_path)) < 2 and time.monotonic() < deadline:
            with ThreadPoolExecutor(4) as clients:  # concurrently, so that one worker cannot answer all
                answers = list(clients.map(lambda _: httpx.post(f"{url}/predict", json=[row] * 2), range(100)))
            assert {200} == {answer.status_code for answer in answers}
            sent += len(answers)
        pages = [samples(httpx.get(f"{url}/metrics").text) for _ in range(10)]
    assert 2 == len(workers_that_counted(tmp_path))
    assert {(sent, 2 * sent)} == {
        (page["slipway_requests_total", "200"], page["slipway_rows_total",]) for page in pages
    }
    assert {1} == {page["slipway_release_info", "c0ffee", "v1.2.3"] for page in pages}


def workers_that_counted(home: Path) -> list[Path]:
    return [path for path in home.rglob("*.counts") if np.fromfile(path).any()]

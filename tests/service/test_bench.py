"""The complete benchmark, with a plan of a few seconds and the toy problem."""

from __future__ import annotations

import json
import os

import pytest

from slipway.lab.bench import report
from slipway.lab.bench.measure import CONTESTANTS, MODEL
from slipway.lab.bench.run import bench
from slipway.pipeline import skops_file
from slipway.settings import read_settings
from tests.params import VALID

from .conftest import TOY

BENCH = read_settings(VALID).bench
PLAN = BENCH.model_copy(
    update={
        "rows": [1, 3],
        "connections": [1, 2],
        "block_seconds": 0.02,
        "group_seconds": 0.1,
        "idle_timeout_seconds": 0.2,
        "rounds": 1,
        "max_requests": 50,
        "bodies": 5,
        "tables": 1,
        "starts": 1,
        "targets": BENCH.targets.model_copy(update={"connections": 2}),
    }
)


@pytest.fixture(scope="module")
def results(model_dir, estimator, tmp_path_factory) -> dict:
    trained = tmp_path_factory.mktemp("trained") / "model.skops"
    skops_file.dump(estimator, trained)
    row = {"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": None}
    rows = [json.dumps(row | {"size": float(size)}) for size in range(10)]
    variables = {"PYTHONPATH": str(TOY), "SLIPWAY_MODEL_DIR": str(model_dir), "SLIPWAY_BENCH_ESTIMATOR": str(trained)}
    return bench(rows, PLAN, 1, os.environ | variables)


def test_every_cell_is_measured(results):
    names = {MODEL, *(contestant.name for contestant in CONTESTANTS)}
    expected = {(name, rows, connections) for name in names for rows in (1, 3) for connections in (1, 2)}
    assert expected == {(cell.name, cell.rows, cell.connections) for cell in results.cells}
    numbers = [value for cell in results.cells for value in (*vars(cell).values(), *cell.ratios.values())]
    assert [] == [value for value in numbers if isinstance(value, int | float) and not value >= 0]
    assert all(cell.requests > 0 for cell in results.cells)


def test_every_server_is_measured(results):
    assert {"vanilla", "service", "ceiling", "no-op"} == {server.name for server in results.servers}
    assert all(server.ready_seconds > 0 < server.worker_megabytes for server in results.servers)


def test_the_tables_show_each_cell_and_each_target(results):
    lines = report.text(results, PLAN).splitlines()
    assert len(results.cells) + 4 == len(lines[1 : lines.index("")])
    assert len(type(PLAN.targets).model_fields) == sum(line.endswith((" met", " missed")) for line in lines)

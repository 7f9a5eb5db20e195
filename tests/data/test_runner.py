"""Tests of the setup of the deepchecks runner, in its own environment."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from slipway.checks.suites import ENVIRONMENT, QUIET, RUNNER

PREPARED = """
import json, random
import numpy as np
from slipway.checks.deepchecks_runner import restore_numpy_1, seed

def draw():
    seed()
    return [random.random(), np.random.rand()]

restore_numpy_1()
removed = [str(getattr(np, name)) for name in ("Inf", "NaN", "NINF")]
print(json.dumps({"removed": removed, "text": str({np.int64(1): np.float64(0.5)}), "draws": [draw(), draw()]}))
"""


@pytest.fixture(scope="module")
def prepared():
    command = [f"{ENVIRONMENT}/bin/python", "-c", PREPARED]
    environment = os.environ | {"PYTHONPATH": "src"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_names_that_numpy_removed_are_restored(prepared):
    assert ["inf", "nan", "-inf"] == prepared["removed"]


def test_numbers_in_the_text_of_a_condition_have_no_type(prepared):
    assert "{1: 0.5}" == prepared["text"]


def test_every_job_has_the_same_draws(prepared):
    first, second = prepared["draws"]
    assert first == second


IMPORTED = """
import json, sys
from slipway.checks.deepchecks_runner import UNUSED, import_deepchecks

import_deepchecks()
print(json.dumps([UNUSED, *(name for name in ("deepchecks", "jsonschema", "rfc3987_syntax") if name in sys.modules)]))
"""


def test_deepchecks_is_imported_without_the_packages_of_notebooks():
    """jsonschema, which only nbformat imports here, would compile a grammar of URLs with rfc3987_syntax."""
    command = [f"{ENVIRONMENT}/bin/python", "-c", IMPORTED]
    environment = os.environ | {"PYTHONPATH": "src"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ["nbformat", "deepchecks"] == json.loads(done.stdout)


def test_a_runner_whose_input_ends_without_a_request_writes_no_answer(tmp_path):
    command = [f"{ENVIRONMENT}/bin/python", "-m", RUNNER, str(tmp_path / "request.json"), str(tmp_path / "answer.json")]
    environment = os.environ | QUIET | {"PYTHONPATH": "src"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "request.json" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())

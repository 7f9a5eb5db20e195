"""Tests of the setup of the deepchecks runner, in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from slipway.checks.suites import ENVIRONMENT, QUIET, RUNNER
from slipway.scaffold import plan, render

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
from slipway.checks.deepchecks_runner import NOTEBOOK_MODULES, UNUSED, import_deepchecks, with_pictures

last = sys.maxunicode
import_deepchecks()
names = [UNUSED, *(name for name in ("deepchecks", "jsonschema", "rfc3987_syntax") if name in sys.modules)]
names += [name for name in ("ipykernel", *NOTEBOOK_MODULES) if getattr(sys.modules.get(name), "__file__", None)]

from deepchecks.utils import strings
every = "".join(map(chr, range(sys.maxunicode)))
letters = "".join(filter(str.isalnum, every)).lower()
characters = [last == sys.maxunicode, len(strings.SPECIAL_CHARACTERS), letters == strings.string_baseform(every)]

import numpy as np, pandas as pd
from deepchecks.tabular import Dataset, Suite, checks
from written_suites import RowsOfReference

reference = pd.DataFrame({"size": np.float32([1, 2, np.nan, 4]), "kind": ["a", None, "b", "c"], "label": [0, 1, 0, 1]})
new = pd.concat([reference.iloc[[1, 1, 2]], reference.assign(label=1 - reference["label"])], ignore_index=True)
sides = [Dataset(side, label="label", features=["size", "kind"], cat_features=["kind"]) for side in (reference, new)]
ratios = [checks.TrainTestSamplesMix().run(*sides).value["ratio"], RowsOfReference().run(*sides).value]
conditions = [
    RowsOfReference().add_condition_ratio_less_or_equal(limit).run(*sides).conditions_results[0].is_pass()
    for limit in (0.42, 0.43)
]
mixed = [checks.TrainTestSamplesMix().add_condition_duplicates_ratio_less_or_equal(limit) for limit in (0, 1)]
results = Suite("mixed", *mixed).run(*sides, with_display=False).results
shown = [bool(with_pictures(result, *sides).display) for result in results]
answer = {"names": names, "ratios": ratios, "conditions": conditions, "characters": characters, "shown": shown}
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Return what a process found that imported deepchecks, and the data suite that a wide table gets."""
    folder = tmp_path_factory.mktemp("suites")
    rows = pd.DataFrame({"size": np.arange(200.0), "kind": ["a", "b"] * 100, "label": [0, 1, 1, 0] * 50})
    rows.to_parquet(folder / "rows.parquet")
    narrow, _ = plan.infer(folder / "rows.parquet", plan.ForkRequest("label"), 1)
    wide = replace(narrow, features=narrow.features * plan.WIDE_COLUMNS_MIN)
    text = render.render(wide)[render.PACKAGE / "suites.py"]
    (folder / "written_suites.py").write_text(text, encoding="utf-8")
    command = [f"{ENVIRONMENT}/bin/python", "-c", IMPORTED]
    environment = os.environ | {"PYTHONPATH": f"src:{folder}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def test_deepchecks_is_imported_without_the_packages_of_notebooks(imported):
    """jsonschema, which only nbformat imports here, would compile a grammar of URLs with rfc3987_syntax."""
    assert ["nbformat", "deepchecks"] == imported["names"]


def test_special_characters_are_removed_without_a_list_of_them(imported):
    """deepchecks lists them at import, in 150 MB."""
    assert [True, 0, True] == imported["characters"]


def test_only_a_failed_check_has_pictures(imported):
    assert [True, False] == imported["shown"]


def test_rows_of_the_reference_are_the_samples_that_deepchecks_counts(imported):
    assert [3 / 7, 3 / 7] == imported["ratios"]
    assert [False, True] == imported["conditions"]


def test_a_runner_whose_input_ends_without_a_request_writes_no_answer(tmp_path):
    command = [f"{ENVIRONMENT}/bin/python", "-m", RUNNER, str(tmp_path / "request.json"), str(tmp_path / "answer.json")]
    environment = os.environ | QUIET | {"PYTHONPATH": "src"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "request.json" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())

"""Runner of the problem's deepchecks suite: the only module that runs in the checks' environment.

`slipway.checks.suites` starts it as `python -m slipway.checks.deepchecks_runner REQUEST ANSWER`, and documents both
JSON files. It imports deepchecks first, and reads REQUEST when its standard input ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import random
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.schema.columns import columns

if TYPE_CHECKING:
    from deepchecks.core import CheckFailure, CheckResult
    from deepchecks.tabular import Dataset

REMOVED_FROM_NUMPY = {"Inf": np.inf, "NaN": np.nan, "NINF": -np.inf}
"""Names that numpy 2 removed and deepchecks 0.19.1 still uses, some of them only when a check runs."""
UNUSED = "nbformat"
"""Package that plotly imports for notebooks only, if it can. The import compiles a grammar of URLs for seconds."""
NOTEBOOK_MODULES = (
    *("IPython", "IPython.core.display", "IPython.display", "IPython.terminal.interactiveshell"),
    *("ipykernel.zmqshell", "ipywidgets", "ipywidgets.embed", "ipywidgets.widgets", "tqdm.notebook"),
)
"""Modules whose names deepchecks imports for notebooks only; with what they import, a sixth of the time."""
DRAWN_COLUMNS_MAX = 100  # FeatureDrift draws every column, also those it does not show: 0.1 s each
SEED = 0  # of every job, so that equal rows give equal evidence
OUTCOMES = {"PASS": "pass", "WARN": "fail", "FAIL": "fail", "ERROR": "not run"}  # a warning is a broken condition too


def restore_numpy_1() -> None:
    """Restore names of numpy 1 that deepchecks uses. Call it before the first import of deepchecks."""
    for name, value in REMOVED_FROM_NUMPY.items():
        setattr(np, name, value)
    np.set_printoptions(legacy="1.25")  # otherwise details of a condition contain np.int64(1) instead of 1


class NotebookModule(ModuleType):
    """Module of a package for notebooks, whose every name is a class without instances."""

    def __getattr__(self, name: str) -> Any:
        """Return a new class `name`."""
        if name.startswith("__") and name != "__html_manager_version__":
            raise AttributeError(name)
        return type(name, (), {})


class SpecialCharacters(dict[int, int | None]):
    """Table of `str.translate` that removes every character but letters and digits."""

    def __missing__(self, code: int) -> int | None:
        """Return the code of a letter or digit, else None."""
        self[code] = code if chr(code).isalnum() else None
        return self[code]


def import_deepchecks() -> None:
    """Import deepchecks, with the names of numpy that it needs, and without packages that only notebooks need.

    It would list a million special characters at import, in 150 MB. `SpecialCharacters` judges those that occur.
    """
    gc.disable()  # collections while everything is new take a sixth of the time, and free nothing
    restore_numpy_1()
    sys.modules[UNUSED] = None  # type: ignore[assignment]  # the import system's way to refuse an import
    sys.modules.update({name: NotebookModule(name) for name in NOTEBOOK_MODULES})
    vars(sys.modules["IPython"])["get_ipython"] = lambda: None  # no notebook runs
    importlib.import_module("matplotlib")  # it reads sys.maxunicode too
    characters, sys.maxunicode = sys.maxunicode, 0
    try:
        strings = importlib.import_module("deepchecks.utils.strings")
    finally:
        sys.maxunicode = characters
    vars(strings)["DEL_MAP"] = SpecialCharacters()
    importlib.import_module("deepchecks.tabular.checks")
    gc.enable()


def main(request_file: Path, answer_file: Path) -> None:
    """Run every job of the request and write the answers; the answer of a job that crashes is its cause."""
    import_deepchecks()
    sys.stdin.read()  # the request is complete when the input ends
    request = json.loads(request_file.read_text(encoding="utf-8"))
    answers = {job["name"]: _answer(job, request["thresholds"]) for job in request["jobs"]}
    answer_file.write_text(json.dumps(answers), encoding="utf-8")


def _answer(job: dict[str, Any], thresholds: dict[str, Any]) -> dict[str, Any]:
    try:
        return _run(job, thresholds)
    except Exception as error:  # noqa: BLE001  the crash of a job is its finding, and must not end the other jobs
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}


def _run(job: dict[str, Any], thresholds: dict[str, Any]) -> dict[str, Any]:
    suite = problem.data_suite(thresholds)
    seed()
    reference, new = _dataset(job["reference"]), _dataset(job["new"])
    result = suite.run(reference, new, run_single_dataset="Test", with_display=False)
    outcomes = [outcome for check in result.results for outcome in outcomes_of(check)]
    outcomes.sort(key=lambda outcome: (outcome["check"], outcome["condition"]))
    answer = {"checks": outcomes, "drift": _drift(result.results)}
    if job["html"]:
        if len(new.features) <= DRAWN_COLUMNS_MAX:
            result.results = [with_pictures(check, reference, new) for check in result.results]
        Path(job["html"]).parent.mkdir(parents=True, exist_ok=True)
        Path(job["html"]).unlink(missing_ok=True)  # otherwise deepchecks writes "report (1).html"
        result.save_as_html(job["html"], as_widget=False)
    return answer


def with_pictures(result: CheckResult | CheckFailure, reference: Dataset, new: Dataset) -> CheckResult | CheckFailure:
    """Return the result with its pictures if the check failed; those of all checks take as long as the suite."""
    if all(outcome["outcome"] == "pass" for outcome in outcomes_of(result)):
        return result
    from deepchecks.tabular import Suite

    seed()
    again: CheckResult | CheckFailure = (
        Suite("", result.check).run(reference, new, run_single_dataset="Test").results[0]
    )
    return again


def seed() -> None:
    """Seed both global generators, which checks such as FeatureLabelCorrelation use without a seed."""
    random.seed(SEED)
    np.random.seed(SEED)  # the global generator of pandas and scikit-learn


def _dataset(path: str) -> Dataset:
    from deepchecks.tabular import Dataset

    frame = pd.read_parquet(path)
    features = columns(problem.Row)
    return Dataset(
        frame,
        label=problem.TARGET,
        features=[column.name for column in features],
        cat_features=[column.name for column in features if column.kind == "category"],
        datetime_name=problem.TIME_COLUMN,
        label_type=problem.TASK,
    )


def outcomes_of(result: CheckResult | CheckFailure) -> list[dict[str, str]]:
    """Return {"check", "condition", "outcome", "observed"} of each condition; `outcome` is pass, fail or not run.

    deepchecks counts a check that crashed or has no condition as passed; here its outcome is "not run".
    """
    check = result.check.name()
    if hasattr(result, "exception"):
        return [_outcome(check, "", "not run", f"{type(result.exception).__name__}: {result.exception}")]
    conditions = result.conditions_results
    if not conditions:
        return [_outcome(check, "", "not run", "it has no condition, so it cannot fail")]
    return [_outcome(check, result.name, OUTCOMES[result.category.name], result.details) for result in conditions]


def _outcome(check: str, condition: str, outcome: str, observed: str) -> dict[str, str]:
    plain = (re.sub(r"<[^>]+>|\s+", " ", text).strip() for text in (condition, outcome, observed))
    return dict(zip(("check", "condition", "outcome", "observed"), (check, *plain), strict=True))


def _drift(results: list[CheckResult | CheckFailure]) -> dict[str, float]:
    """Return the drift score of each column, largest first: Kolmogorov-Smirnov distance or Cramér's V."""
    values = [value for result in results if isinstance(value := getattr(result, "value", None), dict)]
    measured = [(problem.TARGET, value) for value in values]
    measured += [(name, value) for result in values for name, value in result.items() if isinstance(value, dict)]
    scores = {name: value["Drift score"] for name, value in measured if "Drift score" in value}
    rounded = {name: round(float(score), 4) for name, score in scores.items() if score is not None}
    return dict(sorted(rounded.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # deepchecks warns of its pinned libraries of 2025
    main(*map(Path, sys.argv[1:]))

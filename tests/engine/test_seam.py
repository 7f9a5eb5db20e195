"""Tests of the seam: another problem passes through pipeline, gates and report without a change of the engine.

The toy problem has another task, no time column, other names, and CSV files. Commands and paths are those of dvc.yaml.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import yaml

from tests import preloaded

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PROBLEM = ROOT / "tests/problems/toy_regression"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
COMPARE = """
from pathlib import Path
from slipway.errors import UserError
from slipway.pull_request import compare
compare.fetch_released = lambda *_: {champion}
try:
    compare.compare()
except UserError as error:
    print(error)
"""
GONE = """
import sys
import zipfile
with zipfile.ZipFile(sys.argv[1]) as model:
    members = {name: model.read(name) for name in model.namelist()}
with zipfile.ZipFile(sys.argv[2], "w") as model:
    for name, content in members.items():
        model.writestr(name, content.replace(b"sklearn.ensemble", b"problem.removed"))
"""
REPORT = "from slipway.pull_request.report import report; print(report('HEAD', ''))"


def _data(folder: Path) -> None:
    random = np.random.default_rng(7)
    size, machine = random.uniform(0, 100, 4000), random.choice(["small", "large"], 4000)
    seconds = 5 + size * np.where(machine == "small", 2.0, 0.5) * (1 + size / 100) + random.normal(0, 3, 4000)
    frame = pd.DataFrame({"size": size, "machine": machine, "seconds": seconds})
    frame.loc[::50, "size"] = np.nan
    frame.loc[::200, "seconds"] = np.nan
    folder.mkdir()
    frame.to_csv(folder / "jobs.csv", index=False)


def _params(root: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["split"], params["model"] = {"test_ratio": 0.3}, {"max_iter": 60}
    params["gates"] |= {"primary": "rmse", "margin": 0.5, "segment_margin": 1.0, "floor": 30.0, "resamples": 300}
    (root / "params.yaml").write_text(yaml.safe_dump(params))


def _python(root: Path, *arguments: str, **variables: str) -> str:
    done = preloaded.python(*arguments, cwd=root, env=_environment(variables))
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


def _new_python(root: Path, *arguments: str, **variables: str) -> None:
    """Run a command whose variables are read when Python or a package starts."""
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=root, env=_environment(variables), stdout=subprocess.DEVNULL, check=True)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    environment = os.environ | {"PYTHONPATH": str(PROBLEM)} | variables
    environment.pop("GITHUB_STEP_SUMMARY", None)
    return environment


def _compare(root: Path, champion: str, **variables: str) -> dict:
    _python(root, "-c", COMPARE.format(champion=champion), **variables)
    return json.loads((root / "results/compare.json").read_text())


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    _data(root / "data")
    _params(root)
    for stage in ("prepare", "train", "export", "evaluate"):
        _python(root, *STAGES[stage]["cmd"].split()[1:])
    return root


def test_rows_without_a_target_are_counted_and_skipped(toy):
    rows = json.loads((toy / "metrics/prepare.json").read_text())["rows"]
    assert (4000, 20) == (sum(rows.values()), rows["unlabelled"])


def test_the_exported_model_matches_the_trained_one(toy):
    exported = json.loads((toy / "metrics/export.json").read_text())
    assert "onnx" == exported["format"]
    assert float(exported["parity"]) < 1e-3


def test_the_export_does_not_depend_on_the_hash_seed(toy):
    command = ["-m", "slipway.pipeline.export", "build/trained/model.skops", "build/prepared"]
    for seed in ("0", "1"):
        _new_python(toy, *command, f"again-{seed}", f"again-{seed}.json", PYTHONHASHSEED=seed)
    first, second = ((toy / f"again-{seed}" / "model.onnx").read_bytes() for seed in ("0", "1"))
    assert first == second


def test_the_predictions_do_not_depend_on_the_processor(toy):
    """OpenBLAS has different instructions for each processor, whose sums differ in the last digits."""
    command = ["-m", "slipway.pipeline.evaluate", "model", "build/prepared"]
    for kind in ("Prescott", "Haswell"):
        files = [f"{kind}/{name}" for name in ("predictions.parquet", "metrics.json", "importance.json")]
        _new_python(toy, *command, *files, OPENBLAS_CORETYPE=kind)
    for name in ("predictions.parquet", "metrics.json", "importance.json"):
        assert (toy / "Prescott" / name).read_bytes() == (toy / "Haswell" / name).read_bytes()


def test_the_model_beats_both_baselines(toy):
    error = {name: metrics["rmse"] for name, metrics in json.loads((toy / "metrics/evaluate.json").read_text()).items()}
    assert error["model"] < error["linear"] < error["dummy"]


def test_a_first_model_is_compared_with_a_baseline_in_each_segment(toy):
    evidence = _compare(toy, "None")["evidence"]
    assert ({"machine=large", "machine=small"}, {}) == (set(evidence["segments"]), evidence["production"])
    assert evidence["baselines"]["dummy"]["all"] != evidence["segments"]["machine=large"]


def test_the_same_model_as_champion_is_within_noise_overall_and_in_each_segment(toy):
    shutil.copytree(toy / "model", toy / "champion", dirs_exist_ok=True)
    result = _compare(toy, "compare.Champion('v1', 'sha256:0', 'c', Path('champion'))")
    assert {"pass"} == {verdict["outcome"] for verdict in result["verdicts"]}
    assert {"all", "machine=large", "machine=small"} == set(result["evidence"]["production"])


def test_a_candidate_worse_than_the_champion_is_blocked(toy, tmp_path):
    worse = tmp_path / "worse"
    shutil.copytree(toy, worse)
    shutil.copytree(toy / "model", worse / "champion", dirs_exist_ok=True)
    params = yaml.safe_load((worse / "params.yaml").read_text())
    params["model"]["max_iter"] = 5
    (worse / "params.yaml").write_text(yaml.safe_dump(params))
    for stage in ("train", "export", "evaluate"):
        _python(worse, *STAGES[stage]["cmd"].split()[1:])
    result = _compare(worse, "compare.Champion('v1', 'sha256:0', 'c', Path('champion'))")
    assert {"champion": "fail", "segments": "fail"}.items() <= {
        v["gate"]: v["outcome"] for v in result["verdicts"]
    }.items()


V1 = "compare.Champion('v1.0.0', 'sha256:0', 'c', Path('champion'))"
WITHOUT_MACHINE = {
    '    machine: Literal["small", "large"] = Field(description="Kind of machine")\n': "",
    '("machine",)': "()",
    '(OrdinalEncoder(), ["machine"]), ': "",
}
"""Edits by which a pull request removes a feature from `Row`."""
OF_PREDICTIONS = ("champion", "segments", "one-row latency")


@pytest.fixture(scope="module")
def removed(toy, tmp_path_factory):
    """Return a candidate whose `Row` lacks a column that production reads, and which `load` still returns."""
    root = tmp_path_factory.mktemp("removed") / "toy"
    shutil.copytree(toy, root)
    shutil.copytree(toy / "model", root / "champion", dirs_exist_ok=True)
    source = (PROBLEM / "problem/__init__.py").read_text()
    for before, after in WITHOUT_MACHINE.items():
        assert before in source
        source = source.replace(before, after)
    (root / "problem").mkdir()
    (root / "problem/__init__.py").write_text(source)
    for stage in ("prepare", "train", "export", "evaluate"):
        _python(root, *STAGES[stage]["cmd"].split()[1:], PYTHONPATH=str(root))
    return root


@pytest.fixture
def dropped(removed):
    """Return the same candidate, with data that no longer have the column."""
    tables = {file: file.read_text() for file in (removed / "data").glob("*.csv")}
    for file in tables:
        pd.read_csv(file).drop(columns="machine").to_csv(file, index=False)
    yield removed
    for file, text in tables.items():
        file.write_text(text)


@pytest.fixture
def edited_params():
    """Return a function that adds a decision to params.yaml, which is restored afterwards."""
    before = {}

    def decide(root: Path, version: str, decision: dict) -> None:
        path = root / "params.yaml"
        before[path] = path.read_text()
        params = yaml.safe_load(before[path])
        params["gates"]["uncompared_releases"] = {version: decision}
        path.write_text(yaml.safe_dump(params))

    yield decide
    for path, text in before.items():
        path.write_text(text)


def test_a_champion_reads_a_column_that_the_row_no_longer_has(removed):
    result = _compare(removed, V1, PYTHONPATH=str(removed))
    verdicts = {verdict["gate"]: verdict for verdict in result["verdicts"]}
    assert "fail" == verdicts["champion"]["outcome"]  # the column mattered
    assert {"pass"} == {verdicts[gate]["outcome"] for gate in ("segments", "one-row latency", "model size")}
    assert ["stop sending `machine`"] == result["evidence"]["contract_changes"]
    (champion,) = [row for row in result["evidence"]["production"]["all"] if row["metric"] == "rmse"]
    assert champion["champion"]["value"] < champion["candidate"]["value"] / 2


def test_a_column_that_the_data_lack_is_inconclusive_and_named_with_the_fix(dropped):
    verdicts = {verdict["gate"]: verdict for verdict in _compare(dropped, V1, PYTHONPATH=str(dropped))["verdicts"]}
    assert {"inconclusive"} == {verdicts[gate]["outcome"] for gate in OF_PREDICTIONS}
    assert "pass" == verdicts["model size"]["outcome"]
    reason = (
        "v1.0.0 needs the column machine, which `load` in src/problem/data.py does not return; return it besides the"
        " columns of `Row`; or accept it: params.yaml: gates.uncompared_releases.v1.0.0: missing; add by, reason and"
        " until"
    )
    assert {reason} == {verdicts[gate]["reason"] for gate in OF_PREDICTIONS}
    assert "nan" not in json.dumps(list(verdicts.values())).lower()


@pytest.mark.parametrize(
    ("version", "until", "expected"),
    [
        ("v1.0.0", "9999-12-31", "pass"),
        ("v1.0.0", "2020-01-31", "inconclusive"),
        ("v0.9.0", "9999-12-31", "inconclusive"),
    ],
)
def test_only_a_decision_in_force_for_the_release_accepts_that_it_is_not_compared(
    dropped, edited_params, version, until, expected
):
    edited_params(dropped, version, {"by": "Ada", "reason": "machine is gone", "until": until})
    result = _compare(dropped, V1, PYTHONPATH=str(dropped))
    assert {expected} == {row["outcome"] for row in result["verdicts"] if row["gate"] in OF_PREDICTIONS}
    _python(dropped, "-c", REPORT, PYTHONPATH=str(dropped))
    summary = (dropped / "results/report/report.md").read_text().split("<details><summary>✅")[0]
    decision = (
        f"Decision not to compare with v1.0.0** by Ada, {'until' if expected == 'pass' else 'expired on'} {until}"
    )
    assert (decision in summary) == (version == "v1.0.0")


def test_a_champion_whose_classes_are_gone_is_inconclusive_with_the_fix(toy, tmp_path):
    root = tmp_path / "toy"
    shutil.copytree(toy, root)
    shutil.copytree(toy / "model", root / "champion", dirs_exist_ok=True)
    signature = root / "champion/signature.json"
    signature.write_text(json.dumps(json.loads(signature.read_text()) | {"format": "skops", "trusted_types": []}))
    _python(root, "-c", GONE, "build/trained/model.skops", "champion/model.skops")
    verdicts = {verdict["gate"]: verdict for verdict in _compare(root, V1)["verdicts"]}
    assert {"inconclusive"} == {verdicts[gate]["outcome"] for gate in OF_PREDICTIONS}
    reason = verdicts["champion"]["reason"]
    assert reason.startswith("v1.0.0 cannot predict here (")
    assert "problem.removed" in reason
    assert "); keep the classes and packages of its model until it is replaced; or accept it: params.yaml" in reason


@pytest.fixture(params=[{"target": "watts"}, {"task": "binary"}])
def other_problem(request, toy, tmp_path):
    """Return the candidate with a small champion for another target or task, below any limit of the size's ratio."""
    root = tmp_path / "toy"
    shutil.copytree(toy, root)
    champion = root / "champion"
    shutil.copytree(toy / "model", champion, dirs_exist_ok=True)
    signature = json.loads((champion / "signature.json").read_text()) | request.param
    (champion / "signature.json").write_text(json.dumps(signature))
    (champion / "model.onnx").write_bytes(b"")
    return root


def test_one_decision_accepts_a_release_of_another_problem(other_problem, edited_params):
    for is_decided, outcome in ((False, "inconclusive"), (True, "pass")):
        if is_decided:
            decision = {"by": "Ada", "reason": "another problem", "until": "9999-12-31"}
            edited_params(other_problem, "v1.0.0", decision)
        result = _compare(other_problem, V1)
        verdicts = {verdict["gate"]: verdict["outcome"] for verdict in result["verdicts"]}
        assert {outcome} == {verdicts.pop(gate) for gate in (*OF_PREDICTIONS, "model size")}
        assert {"pass"} == set(verdicts.values())
        (change,) = result["evidence"]["contract_changes"]
        assert change.startswith("read ")


def test_the_report_has_the_metric_of_the_problem(toy):
    _compare(toy, "None")
    _python(toy, "-c", REPORT)
    assert "rmse" in (toy / "results/report/report.md").read_text()

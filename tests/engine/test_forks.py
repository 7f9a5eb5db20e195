"""Tests of forks: three other problems on real data pass through the whole loop, and change a handful of files.

Each is checked, trained, released, served, load-tested and compared by the commands of the unchanged engine, and each
has an invalid row and a worse model that are blocked.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.lab.data_mutants import READERS, WRITERS
from slipway.report import content, markdown, submitted
from tests import forks

FILES_MAX = 6
BRIEF = {"seconds": 4, "warmup_seconds": 1, "minimum_requests": 30}
BUSY = {"p50_milliseconds": 500, "p99_milliseconds": 4000, "achieved_rate": 0.5}  # other tests run at the same time
STAGES = yaml.safe_load((forks.ROOT / "dvc.yaml").read_text())["stages"]
TRAIN = """
from pathlib import Path
from slipway.pipeline import evaluate, export, train
train.train(*map(Path, {train}))
export.export(*map(Path, {export}))
evaluate.evaluate(*map(Path, {evaluate}))
"""
TRAINED = {stage: STAGES[stage]["cmd"].split()[3:] for stage in ("train", "export", "evaluate")}
PASS = {"pass"}


@dataclass(frozen=True)
class Expected:
    """Expectations of a problem: task, model format, a value that `Row` rejects, and parameters of a worse model."""

    task: str
    model_format: str
    bad: tuple[str, Any]
    worse: dict[str, dict[str, Any]]


WEAK_TREES = {"model": {"words": 64, "trees": {"max_iter": 1, "max_leaf_nodes": 2}}}
PROBLEMS = {
    "titanic": Expected("binary", "skops", ("age", 111), WEAK_TREES),
    "penguins": Expected("multiclass", "onnx", ("sex", "unknown"), {"model": {"C": 0.001, "max_iter": 1000}}),
    "houses": Expected("regression", "onnx", ("grade", 14), {"model": {"max_iter": 2}}),
}


@pytest.fixture(scope="module", params=PROBLEMS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def expected(name):
    return PROBLEMS[name]


@pytest.fixture(scope="module")
def fork(name, tmp_path_factory):
    made = forks.make(name, tmp_path_factory.mktemp(name))
    edit(made.root, {"loadtest": BRIEF | BUSY})
    made.commit("Shorten the load test, and relax it for a busy machine")
    return made


def edit(root: Path, changes: dict[str, dict[str, Any]]) -> None:
    (root / "changes.yaml").write_text(yaml.safe_dump(changes))
    forks.edit_params(root / "params.yaml", root / "changes.yaml")
    (root / "changes.yaml").unlink()


@pytest.fixture(scope="module")
def checked(fork):
    fork.slipway("data")
    return fork


@pytest.fixture(scope="module")
def trained(checked):
    checked.slipway("train")
    checked.commit("Train")
    return checked


@pytest.fixture(scope="module")
def served(trained):
    """Yield the fork with its release in production, behind the gateway and reconciled by the agent."""
    trained.slipway("release", "build")
    trained.slipway("release", "publish")
    try:
        trained.slipway("agent", "--environment", "production", "--detach")
        trained.slipway("promote", "--environment", "production", "--release", "v0.1.0")
        yield trained
    finally:
        trained.slipway("stop", "--all")


@pytest.fixture(scope="module")
def reported(served):
    """Return the fork after a comparison with the same model as champion, and with a report."""
    served.slipway("compare")
    served.slipway("report", "--base", "HEAD~1")
    return served


def test_a_fork_touches_six_files_at_most_and_none_of_the_engine(name, trained, capsys):
    touched = trained.touched()
    with capsys.disabled():
        print(f"\n{name} touches {len(touched.written)} files: {', '.join(touched.written)}")
    assert set() == touched.of_the_engine
    assert len(touched.written) <= FILES_MAX


@pytest.mark.parametrize("path", ["src/slipway/cli.py", "dvc.yaml", "tests/unit/test_metrics.py", ".github/CODEOWNERS"])
def test_a_touched_file_of_the_engine_is_noticed(path):
    assert {path} == forks.Touched.of([f"M\t{path}", "M\tparams.yaml", "D\tsrc/problem/row.py"]).of_the_engine


def test_the_data_keeps_its_contract_and_its_suite_ran(checked):
    assert {"data contract": "pass", "data suites": "pass"} == checked.outcomes("data")
    assert {"pass"} == {check["outcome"] for check in checked.json("metrics/data.json")["suites"]["checks"]}
    assert "deepchecks" in (checked.root / "results/data/deepchecks.html").read_text(encoding="utf-8")


def test_an_invalid_row_is_blocked_and_named(checked, expected, tmp_path):
    column, value = expected.bad
    shutil.copytree(checked.root / "data", tmp_path / "data")
    newest = max((tmp_path / "data").iterdir())
    rows = READERS[newest.suffix](newest)
    WRITERS[newest.suffix](rows.assign(**{column: rows[column].where(rows.index != 7, value)}), newest)
    command = [str(tmp_path / "data") if word == "data" else word for word in STAGES["data"]["cmd"].split()[1:]]
    output = checked.python(*(word.replace("metrics/", f"{tmp_path}/") for word in command), code=1)
    assert f"{newest.name}: {column}: " in output
    assert "(1 row, row 7: " in output


def test_training_converges(trained):
    trained.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/convergence")


def test_the_model_passes_the_floor_and_the_parity(trained, expected):
    assert {"export parity": "pass", "floor": "pass"} == trained.outcomes("train")
    exported = trained.json("metrics/export.json")
    assert expected.model_format == exported["format"]
    assert ("why_not_onnx" in exported) is (expected.model_format == "skops")


def test_production_passes_the_smoke_test(served):
    served.slipway("smoke", "--environment", "production")
    assert {"release": "pass", "answers": "pass"} == served.outcomes("smoke")


def test_production_passes_the_load_test(served):
    served.slipway("loadtest", "--environment", "production")
    assert PASS == set(served.outcomes("loadtest").values())


def test_the_same_model_is_within_noise_of_the_champion(reported):
    assert PASS == set(reported.outcomes("compare").values())
    assert "v0.1.0" == reported.json("results/compare.json")["evidence"]["champion"]["version"]


def test_a_worse_model_is_blocked_by_the_champion(reported, expected, tmp_path):
    ours = shutil.ignore_patterns("cache", "tmp", "__pycache__")
    worse = replace(reported, root=shutil.copytree(reported.root, tmp_path / "worse", symlinks=True, ignore=ours))
    edit(worse.root, expected.worse)
    worse.python("-c", TRAIN.format(**TRAINED))
    worse.slipway("compare", code=2)
    assert "fail" == worse.outcomes("compare")["champion"]


def test_the_report_describes_the_problem(name, reported, expected):
    text = (reported.root / "results/report/report.md").read_text(encoding="utf-8")
    assert f"<td>{expected.task}" in text or f"| {expected.task} |" in text
    signature = reported.json("model/signature.json")
    names = [signature["target"], *(column["name"] for column in signature["columns"])]
    assert [] == [name for name in names if f"`{name}`" not in text]
    assert (reported.root / "results/report/report.html").stat().st_size > len(text)
    jobs = reported.json("results/report/evidence.json")["results"]
    submitted_evidence = submitted.accept((reported.root / "results/report/evidence.json").read_bytes())
    assert text == markdown.render(content.write(submitted_evidence))
    assert PASS == {verdict["outcome"] for job in ("data", "train", "compare") for verdict in jobs[job]["verdicts"]}

"""Each notebook is in step with its `.py` file, has no outputs, and runs with and without predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jupytext
import pytest

import problem
from slipway.environment.place import Place
from slipway.errors import GateError
from slipway.gates import Outcome
from slipway.local import notebooks
from slipway.monitoring import collect
from tests.git_repository import commit, git

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
(SOURCE,) = SOURCES


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """Return a repository with the notebooks, an origin and an empty store, as the current folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "home"))
    for variable in ("SLIPWAY_STORE", "SLIPWAY_COLLECTED"):
        monkeypatch.delenv(variable, raising=False)
    for name in ("params.yaml", "dvc.lock", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("notebooks", "metrics"):
        shutil.copytree(ROOT / name, folder / name)
    git("init", "--quiet")
    commit("A run")
    git("init", "--quiet", "--bare", str(tmp_path / "origin.git"))
    git("remote", "add", "origin", str(tmp_path / "origin.git"))
    return folder


def printed(path: Path) -> str:
    cells = jupytext.read(path).cells
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    return "".join(out.get("text", "") or out.get("data", {}).get("text/plain", "") for out in outputs)


def test_a_notebook_runs_and_shows_runs_and_predictions(repository):
    notebooks.execute()
    assert "0 predictions until" in printed(repository / f"results/notebooks/{SOURCE.name}".replace(".py", ".ipynb"))
    logs = Place.of("production").predictions
    logs.mkdir(parents=True)
    record = {"release": "v7.0.0", "time": "2026-01-31T12:00:00.000+00:00", "request_id": "r", "index": 0}
    (logs / "predictions-1.jsonl").write_text(json.dumps(record | {"row": {}, "prediction": 0.5}) + "\n")
    collect.of_environment(Place.of("production"), problem.Row).collect(logs)
    assert Outcome.PASS is notebooks.executed(Path("notebooks") / SOURCE.name).outcome
    text = printed(repository / "results/notebooks" / f"{SOURCE.stem}.ipynb")
    assert "1 predictions until 2026-02-01" in text
    assert "v7.0.0" in text
    assert "A run" in text


def test_a_cell_that_fails_is_reported_by_its_error(repository):
    source = Path("notebooks") / SOURCE.name
    source.write_text("# %%\nraise KeyError('primary')\n")
    notebooks.pair()
    with pytest.raises(GateError, match=f"{source}: KeyError: 'primary'"):
        notebooks.execute()


@pytest.mark.parametrize("source", SOURCES)
def test_each_pair_is_in_step_and_without_outputs(source, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert "" == notebooks.paired(source.relative_to(ROOT)).reason


def test_a_pair_out_of_step_is_detected_and_written_again(repository):
    source = Path("notebooks") / SOURCE.name
    committed = source.with_suffix(".ipynb").read_bytes()
    source.write_text(source.read_text() + "\n# %%\nlen(entries)\n")
    assert f"differs from {source}; run `slipway notebooks --pair`" in notebooks.paired(source).reason
    shutil.copy(ROOT / source, source)
    notebooks.pair()
    assert Outcome.PASS is notebooks.paired(source).outcome
    assert committed == source.with_suffix(".ipynb").read_bytes()


def test_outputs_are_detected(repository):
    path = (Path("notebooks") / SOURCE.name).with_suffix(".ipynb")
    content = json.loads(path.read_text())
    next(cell for cell in content["cells"] if cell["cell_type"] == "code")["execution_count"] = 3
    path.write_text(json.dumps(content))
    assert "has outputs" in notebooks.paired(path.with_suffix(".py")).reason

"""`slipway track` mirrors a run to MLflow once, and reports a server that it cannot reach in one line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway.errors import MissingFileError, ToolError
from slipway.history import track
from slipway.results import COMPARE, TRAIN
from tests.unit import test_report

START = datetime(2026, 1, 1, tzinfo=UTC)
TRAINED = test_report.RUN | {
    "loss": test_report.LOSS,
    "metrics": {"evaluate": {"model": {"roc_auc": 0.71}}, "importance": {"a (mile)": 0.1}},
}


def write_run(root: Path) -> None:
    """Write the results, the parameters and the model of a run."""
    (root / "results").mkdir(parents=True)
    (root / "model").mkdir()
    (root / "model/model.onnx").write_bytes(b"model")
    numbers = "\n".join(f"  p{number}: {number}" for number in range(150))
    (root / "params.yaml").write_text(f"model:\n{numbers}\n")
    trained = TRAIN.result(job="train", started=START, seconds=9, verdicts=[], evidence=TRAINED)
    compared = COMPARE.result(job="compare", started=START, evidence=test_report.COMPARED | {"candidate": "m1"})
    for result in (trained, compared):
        (root / f"results/{result.job}.json").write_text(result.model_dump_json(by_alias=True))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a run, and the client of an MLflow with the experiment `late` in SQLite."""
    root = tmp_path_factory.mktemp("fork") / "run"
    write_run(root)
    uri = f"sqlite:///{root}/mlflow.db"
    from mlflow.tracking import MlflowClient  # takes a second, and every worker imports this file

    client = MlflowClient(uri)
    client.create_experiment("late", artifact_location=str(root / "artifacts"))
    return root, uri, client


def _mirror(run, monkeypatch, experiment: str, model: str):
    root, uri, client = run
    monkeypatch.setenv(track.URI, uri)
    monkeypatch.setenv(track.EXPERIMENT, experiment)
    monkeypatch.setattr(track.DvcFiles, "read", lambda _: SimpleNamespace(model="model", data_version="d1"))
    monkeypatch.setattr(track, "blobs", lambda _: (model, []))
    done = track.track(root)
    return done, client, client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


@pytest.fixture
def mirrored(run, monkeypatch):
    return _mirror(run, monkeypatch, "late", "m1")


def test_a_run_has_its_parameters_metrics_curve_model_and_tags(mirrored):
    _, client, (logged,) = mirrored
    assert ("149", 150) == (logged.data.params["model.p149"], len(logged.data.params))
    metrics = logged.data.metrics
    assert (0.71, 0.1, 0.01) == (
        metrics["evaluate.model.roc_auc"],
        metrics["importance.a _mile_"],
        metrics["gain.roc_auc"],
    )
    curve = client.get_metric_history(logged.info.run_id, "loss.train")
    assert [(1, 1.0), (2, 0.5)] == [(point.step, point.value) for point in curve][:2]
    assert ["model.onnx"] == [file.path.split("/")[-1] for file in client.list_artifacts(logged.info.run_id, "model")]
    tags = logged.data.tags
    assert ("c" * 40, "d1", "m1", "v1") == tuple(
        tags[name] for name in ("mlflow.source.git.commit", "slipway.data", "slipway.model", "slipway.champion")
    )


def test_a_run_is_mirrored_once(mirrored):
    done, _, runs = mirrored
    assert done.startswith("already mirrored as run")
    assert 1 == len(runs)


def test_a_comparison_of_another_model_is_not_mirrored(run, monkeypatch):
    root, _, client = run
    client.create_experiment("other", artifact_location=str(root / "other"))
    _, _, (logged,) = _mirror(run, monkeypatch, "other", "m2")
    assert "evaluate.model.roc_auc" in logged.data.metrics
    assert [] == [name for name in logged.data.metrics if name.startswith("gain.")]
    assert logged.data.tags.keys().isdisjoint({"slipway.compare", "slipway.champion"})


def test_without_the_setting_nothing_is_mirrored(monkeypatch, tmp_path):
    monkeypatch.delenv(track.URI, raising=False)
    assert track.track(tmp_path).startswith("MLFLOW_TRACKING_URI is not set")


def test_without_a_run_the_command_to_make_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(track.URI, "http://127.0.0.1:9")
    with pytest.raises(MissingFileError, match="run `slipway train` first"):
        track.track(tmp_path)


def test_a_server_that_is_down_is_one_line_without_its_password(run, monkeypatch):
    root, _, _ = run
    monkeypatch.setenv(track.URI, "http://ada:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(track.DvcFiles, "read", lambda _: SimpleNamespace(model="model", data_version="d1"))
    monkeypatch.setattr(track, "blobs", lambda _: ("m1", []))
    with pytest.raises(ToolError, match="check that the server runs") as error:
        track.track(root)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)

"""`slipway track` against a real server of MLflow on loopback, with SQLite and the server's own store of artifacts.

    python -m tests.mlflow_server

Installs the server from mlflow.txt into an environment of its own, mirrors a run twice by the command of a user, and
compares what the server returns with the run. Not a test, because it takes a minute of processor time.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.tracking import MlflowClient

from slipway import locked_environment
from slipway.dvc.files import blobs
from slipway.history import track
from tests.unit import test_track

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIREMENTS = Path(__file__).with_name("mlflow.txt")
START_SECONDS_MAX = 240


def main() -> None:
    """Mirror a run twice, and compare."""
    with tempfile.TemporaryDirectory() as name, _server(Path(name)) as uri:
        root = Path(name) / "run"
        test_track.write_run(root)
        os.environ |= {track.URI: uri, track.EXPERIMENT: "late"}
        (root / "dvc.yaml").write_text("stages: {}\nartifacts:\n  model: {path: model}\n")
        (root / "data.dvc").write_text(f"outs:\n- md5: {'d' * 32}.dir\n  path: data\n")
        (root / "dvc.lock").write_text("schema: '2.0'\n")
        print(track.track(root))
        print(track.track(root))
        _compare(MlflowClient(uri), root)


def _compare(client: MlflowClient, root: Path) -> None:
    experiment = client.get_experiment_by_name("late")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert ("149", 150) == (run.data.params["model.p149"], len(run.data.params))
    assert 0.71 == run.data.metrics["evaluate.model.roc_auc"]
    curve = client.get_metric_history(run.info.run_id, "loss.train")
    assert [(1, 1.0), (2, 0.5)] == [(point.step, point.value) for point in curve][:2]
    assert "FINISHED" == run.info.status
    assert blobs(root / "model")[0] == run.data.tags["slipway.model"]
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(client.download_artifacts(run.info.run_id, "model/model.onnx", folder))
        assert b"model" == stored.read_bytes()
    counts = f"{len(run.data.params)} parameters, {len(run.data.metrics)} metrics, {len(curve)} points of a curve"
    print(f"equal: {counts}, {len(run.data.tags)} tags, and the model")


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Run the server with its data in `folder`, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = locked_environment.python(REQUIREMENTS, "mlflow")
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    options += ["--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination", f"{folder}/artifacts"]
    command = [python, "-m", "mlflow", "server", *options]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait(f"{url}/health", process, folder / "log")
            yield url
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < limit:
        with suppress(OSError), urllib.request.urlopen(url) as response:  # noqa: S310  on loopback
            if response.status == 200:
                return
        time.sleep(0.3)
    sys.exit(f"the server did not start: {log.read_text()}")


if __name__ == "__main__":
    main()

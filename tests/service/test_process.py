"""Start and stop of the service: refused models, and workers that must end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import httpx
import psutil
import pytest

from slipway import predictor
from slipway.errors import DataError, DigestMismatchError, UnreadableFileError
from slipway.files.tail import last_line
from slipway.serving import lean_worker, model_folder
from slipway.serving.run import free_port
from tests.service.conftest import REPOSITORY, TOY, both_ways, command, environment


@pytest.fixture
def copy(model_dir, tmp_path):
    return shutil.copytree(model_dir, tmp_path / "model")


def test_a_released_folder_is_accepted(copy):
    assert "v1.2.3" == model_folder.verify(copy)["version"]


def test_a_folder_without_release_is_for_development(copy):
    (copy / "release.json").unlink()
    assert {"version": "development"} == model_folder.verify(copy)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"x"), "model.onnx: SHA-256 is"),
        (lambda folder: (folder / "signature.json").unlink(), "signature.json: listed in release.json but missing"),
        (lambda folder: (folder / "other.onnx").write_bytes(b"x"), "other.onnx: not in release.json"),
        (lambda folder: (folder / "release.json").write_text("{"), "release.json: not JSON"),
        (
            lambda folder: (folder / "release.json").write_text(json.dumps({"version": "v1"})),
            "version or files are missing",
        ),
    ],
)
def test_a_changed_folder_is_refused(copy, fault, message):
    fault(copy)
    with pytest.raises((DigestMismatchError, UnreadableFileError), match=message):
        model_folder.verify(copy)


def test_a_model_with_other_columns_is_refused(copy, toy):
    class Other(toy.Row):
        color: float

    model_folder.refuse_other_columns(copy, toy.Row)
    with pytest.raises(DataError, match=r"signature.json: the model and problem.Row differ in color"):
        model_folder.refuse_other_columns(copy, Other)


def test_the_supervisor_reads_the_signature_without_the_imports_of_workers():
    assert predictor.SIGNATURE == model_folder.SIGNATURE
    code = "import sys, slipway.serving.service; print({'numpy', 'onnxruntime', 'prometheus_client'} & {*sys.modules})"
    assert "set()\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_a_tampered_model_ends_the_command_with_a_one_line_error(copy, tmp_path, monkeypatch):
    with (copy / "model.onnx").open("ab") as model:
        model.write(b"x")
    monkeypatch.setenv("SLIPWAY_MODEL_DIR", str(copy))
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    command = [sys.executable, "-m", "bentoml", "serve", "slipway.serving.service:Service", "--port", str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    (line,) = (ended.stdout + ended.stderr).strip().splitlines()
    assert ended.returncode != 0
    assert f"{copy}/model.onnx: SHA-256 is" in line


def test_a_worker_stops_when_its_parent_is_killed(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (_, process):
        workers = process.children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, left = psutil.wait_procs(workers, timeout=5)
        assert ([], True) == (left, len(workers) > 0)


def test_a_worker_without_bentoml_replaces_that_of_bentoml(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (_, process):
        commands = [worker.cmdline() for worker in process.children(recursive=True)]
    assert any(lean_worker.__file__ in command for command in commands)


def test_the_options_of_bentomls_worker_reach_the_server(monkeypatch):
    replaced = []
    monkeypatch.setattr(os, "execv", lambda *arguments: replaced.append(arguments))
    lean_worker.replace_process({"fd": 7, "backlog": 9, "ssl_certfile": "c.pem", "ssl_keyfile": None, "timeout": 5})
    ((_, command),) = replaced
    start = json.loads(command[-1])
    assert (7, {"backlog": 9, "ssl_certfile": "c.pem"}) == (start["fd"], start["server"])
    assert sys.path == start["path"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'lightgbm'\")",
            "ModuleNotFoundError: No module named 'lightgbm'",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", ""),
    ],
    ids=["error", "killed"],
)
def test_the_command_ends_when_no_worker_can_start(model_dir, tmp_path, fault, reason):
    """BentoML would restart the worker silently, and the agent would wait for its timeout."""
    (tmp_path / "onnxruntime.py").write_text(fault)
    own = environment(model_dir, tmp_path) | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{TOY}"}
    log = tmp_path / "log"
    with log.open("w") as output:
        ended = subprocess.run(
            command(free_port()), cwd=REPOSITORY, env=own, stdout=output, stderr=output, timeout=30, check=False
        )
    assert 1 == ended.returncode
    assert last_line(log).endswith(reason)


@both_ways
def test_onnx_runtime_stores_and_sends_no_telemetry(serve, model_dir, tmp_path, row):
    """By default, ONNX Runtime stores an id and a database in the home folder, and sends telemetry."""
    (tmp_path / "user").mkdir()
    with serve(model_dir, tmp_path, HOME=str(tmp_path / "user")) as (url, _):
        assert 200 == httpx.post(f"{url}/predict", json=row).status_code
    assert [] == list((tmp_path / "user").rglob("*"))

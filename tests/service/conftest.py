"""The real service, started once with a small model of a toy problem, without training and data."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
import yaml

from slipway.schema.columns import columns
from slipway.serving.explanations import BACKGROUND
from slipway.serving.run import SERVICE, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import ModuleType

    from sklearn.pipeline import Pipeline

REPOSITORY = Path(__file__).parents[2]
TOY = Path(__file__).parent / "toy"
LOAD = Path(__file__).parent / "load.py"
READY_SECONDS = 30
BACKGROUND_ROWS = {
    "size": [1.5, 80.0, 44.0, 63.0],
    "count": [2, 3, 9, 1],
    "kind": ["a", "b", "a", "b"],
    "name": ["XY", "PQ", "PQ", "XY"],
    "weight": [None, 0.5, -1.0, None],
}
BENTOML, IMAGE = "bentoml", "image"

both_ways = pytest.mark.parametrize("serve", [BENTOML, IMAGE], indirect=True, scope="session")
"""Tests of the service as BentoML starts it, and as the image does: in one process."""


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toy_problem", TOY / "problem" / "__init__.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def row() -> dict:
    return {"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": None}


@pytest.fixture(scope="session")
def estimator() -> Pipeline:
    """Trained estimator of the toy problem."""
    return _train()


@pytest.fixture(scope="session")
def model_dir(toy: ModuleType, estimator: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a released model, with `release.json`, with the background rows next to it."""
    folder = tmp_path_factory.mktemp("release") / "model"
    folder.mkdir()
    (folder.parent / BACKGROUND).parent.mkdir()
    (folder.parent / BACKGROUND).write_text(json.dumps({"columns": BACKGROUND_ROWS}))
    (folder / "model.onnx").write_bytes(_export(toy, estimator))
    signature = {
        "format": "onnx",
        "task": toy.TASK,
        "target": toy.TARGET,
        "classes": [0, 1],
        "columns": [vars(column) for column in columns(toy.Row)],
    }
    (folder / "signature.json").write_text(json.dumps(signature))
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    release = {
        "version": "v1.2.3",
        "commit": "c0ffee",
        "data": "da7a",
        "model": "30de1",
        "built": "today",
        "files": files,
    }
    (folder / "release.json").write_text(json.dumps(release))
    return folder


def _train() -> Pipeline:
    import numpy as np
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "size": random.uniform(0, 100, 400),
            "count": random.integers(1, 10, 400),
            "kind": random.choice(["a", "b"], 400),
            "name": random.choice(["XY", "PQ"], 400),
            "weight": np.where(random.random(400) < 0.3, np.nan, random.normal(size=400)),
        }
    )
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["kind", "name"]),
        ("passthrough", ["size", "count", "weight"]),
    )
    estimator = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=5))
    return estimator.fit(frame, (frame["size"] + 20 * (frame["kind"] == "a") > 60).astype(int))


def _export(toy: ModuleType, estimator: Pipeline) -> bytes:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kinds = {"number": FloatTensorType, "category": StringTensorType}
    inputs = [(column.name, kinds[column.kind]([None, 1])) for column in columns(toy.Row)]
    options = {id(estimator): {"zipmap": False}}
    return to_onnx(estimator, initial_types=inputs, target_opset=21, options=options).SerializeToString()


def address(port: int) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(port)]


def command(port: int) -> list[str]:
    return [sys.executable, "-m", "bentoml", "serve", SERVICE, *address(port)]


def entry_point(sources: str, port: int) -> list[str]:
    """Return the command of an image whose sources are in a copy of the repository, which `numbers` makes."""
    return [sys.executable, "-P", f"{sources}/slipway/serving/container.py", *address(port)]


def environment(model_dir: Path, home: Path) -> dict[str, str]:
    """Environment variables of a service for the toy problem."""
    return os.environ | {
        "SLIPWAY_MODEL_DIR": str(model_dir),
        "PYTHONPATH": str(TOY),
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
    }


@contextmanager
def running(
    model_dir: Path, home: Path, start: Callable[[int], list[str]] = command, **variables: str
) -> Iterator[tuple[str, psutil.Process]]:
    """Start a service, wait until it is ready, stop it after the block, and fail if a process is left."""
    port = free_port()
    own = environment(model_dir, home) | variables
    with (home / "log").open("w") as log:
        process = psutil.Popen(start(port), cwd=REPOSITORY, env=own, stdout=log, stderr=subprocess.STDOUT)
    family = [process]
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, home / "log")
        family += process.children(recursive=True)
        yield url, process
    finally:
        if process.is_running():
            process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(family, timeout=15)
        for orphan in left:
            orphan.kill()
            orphan.wait()
        assert [] == left


def _wait_until_ready(url: str, process: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"not ready after {READY_SECONDS} s: {log.read_text()}")


@pytest.fixture(scope="session")
def build_bento(model_dir: Path, tmp_path_factory: pytest.TempPathFactory):
    """Build a Bento of the toy problem: `build_bento(options, requirements)` with the content of its two files."""

    def build(options: dict, requirements: str = "") -> Path:
        context, home = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("home")
        for source, target in ((REPOSITORY / "src/slipway", "slipway"), (TOY / "problem", "problem")):
            shutil.copytree(source, context / "src" / target, ignore=shutil.ignore_patterns("*.pyc"))
        shutil.copytree(model_dir, context / "model")
        shutil.copy(REPOSITORY / "params.yaml", context)
        (context / "bentofile.yaml").write_text(yaml.safe_dump(options))
        (context / "build").mkdir()
        (context / "build/requirements.txt").write_text(requirements)
        variables = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
        command = [sys.executable, "-m", "bentoml", "build", "--version", "v1"]
        subprocess.run(command, cwd=context, env=variables, check=True, capture_output=True, timeout=120)
        return home / "bentos/slipway/v1"

    return build


@pytest.fixture(scope="session")
def serve(request: pytest.FixtureRequest, numbers: Callable[..., dict[str, str]]):
    """Context manager that starts a service: `with serve(model_dir, home, **variables) as (url, process)`.

    `both_ways` starts it as an image does, too.
    """
    if getattr(request, "param", BENTOML) == BENTOML:
        return running
    unchanged = numbers()

    def started(model_dir: Path, home: Path, **variables: str) -> AbstractContextManager[tuple[str, psutil.Process]]:
        own = unchanged | variables
        sources = own["PYTHONPATH"].split(os.pathsep)[0]
        return running(model_dir, home, partial(entry_point, sources), **own)

    return started


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory):
    """Environment variables that override params.yaml: `serve(..., **numbers(idle_seconds=1))`."""

    def make(**serving: float | str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("sources")
        shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "problem"))
        params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        assert serving.keys() <= params["serving"].keys()
        params["serving"] |= serving
        (folder / "params.yaml").write_text(yaml.safe_dump(params))
        return {"PYTHONPATH": f"{folder / 'src'}{os.pathsep}{TOY}"}

    return make


@pytest.fixture(scope="session")
def start_load(tmp_path_factory: pytest.TempPathFactory):
    """Start the load generator in a separate process, which prints its result."""

    def start(url: str, connections: int, seconds: float, body: bytes, *flags: str) -> subprocess.Popen:
        file = tmp_path_factory.mktemp("body") / "body"
        file.write_bytes(body)
        arguments = [url.rsplit(":", 1)[1], str(connections), str(seconds), str(file), *flags]
        return subprocess.Popen([sys.executable, LOAD, *arguments], stdout=subprocess.PIPE, text=True)

    return start


@pytest.fixture(scope="session")
def url(serve: Callable, model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(model_dir, tmp_path_factory.mktemp("home")) as (url, _):
        yield url

"""A DVC remote in S3, configured as in docs/scale.md, holds all data without the embedded store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.docs import pages
from tests.forks import EMBEDDED

PAGE = Path("docs/scale.md").read_text(encoding="utf-8")
COMMANDS = [line for line in pages.shell(PAGE) if line.startswith("dvc ")]
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def s3(monkeypatch):
    """Run a stand-in for S3 with one bucket, and point boto to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    boto3.client("s3").create_bucket(Bucket="flights")
    yield
    server.stop()


def test_data_in_s3_is_complete_without_the_embedded_store(s3, tmp_path):
    for name, text in {"data/one": "1", "data/two": "2", ".dvc/config": EMBEDDED}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in ["git init --quiet", "dvc add --quiet data", "dvc push --quiet", *COMMANDS]:
        subprocess.run(command.split(), cwd=tmp_path, env=env, check=True)
    for path in ("data", ".dvc/cache", ".dvcstore"):
        shutil.rmtree(tmp_path / path)
    subprocess.run(["dvc", "pull", "--quiet", "data.dvc"], cwd=tmp_path, env=env, check=True)
    assert ["1", "2"] == [(tmp_path / "data" / name).read_text() for name in ("one", "two")]

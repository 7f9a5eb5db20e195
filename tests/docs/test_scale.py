"""A DVC remote in S3, set as docs/scale.md says, against a stand-in: a clone without the embedded store has all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.docs import pages

PAGE = Path("docs/scale.md").read_text(encoding="utf-8")
COMMANDS = [line for line in pages.shell(PAGE) if line.startswith("dvc ")]
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def s3(monkeypatch):
    """A stand-in for S3 with one bucket, where boto finds it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    boto3.client("s3").create_bucket(Bucket="flights")
    yield
    server.stop()


def test_data_that_was_pushed_to_s3_is_there_without_the_embedded_store(s3, tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(Path.cwd()), str(clone)], check=True)
    files = yaml.safe_load((clone / "data.dvc").read_text(encoding="utf-8"))["outs"][0]["nfiles"]
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in ["dvc pull --quiet data.dvc", *COMMANDS]:
        subprocess.run(command.split(), cwd=clone, env=env, check=True)
    for path in ("data", ".dvc/cache", ".dvcstore"):
        shutil.rmtree(clone / path)
    subprocess.run(["dvc", "pull", "--quiet", "data.dvc"], cwd=clone, env=env, check=True)
    assert files == sum(1 for _ in (clone / "data").iterdir())

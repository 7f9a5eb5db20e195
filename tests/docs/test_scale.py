"""A DVC remote in a bucket, configured as in docs/scale.md, holds all data without the embedded store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import httpx
import pytest
from azure.storage.blob import BlobServiceClient

from slipway.environment.buckets import NO_GRPC
from tests.delivery import emulators
from tests.docs import pages
from tests.forks import EMBEDDED

PAGE = Path("docs/scale.md").read_text(encoding="utf-8")
COMMANDS = [line for line in pages.shell(PAGE) if line.startswith("dvc ")]
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def s3(monkeypatch):
    """Run a stand-in for S3 with one bucket, and point boto to it."""
    with emulators.aws() as url:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="flights")
        yield


@pytest.fixture
def gs(monkeypatch):
    """Run an emulator of Google Cloud Storage with one bucket, and point gcsfs to it."""
    with emulators.google() as url:
        httpx.post(f"{url}/storage/v1/b", params={"project": "p"}, json={"name": "flights"}).raise_for_status()
        for name, value in (NO_GRPC | {"STORAGE_EMULATOR_HOST": url, "FSSPEC_GS_TOKEN": "anon"}).items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def azure(monkeypatch):
    """Run an emulator of Azure with one container, and point adlfs to it."""
    with emulators.azure() as connection:
        BlobServiceClient.from_connection_string(connection).create_container("flights").close()
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
        yield


BUCKET = "[core]\nremote = bucket\n['remote \"bucket\"']\nurl = {}://flights/dvc\nverify = true\n"
"""The configuration after the commands of the page; the test runs them for S3 only, because each takes seconds."""


@pytest.mark.parametrize(
    ("service", "config", "commands"),
    [
        ("s3", EMBEDDED, ["dvc push --quiet", *COMMANDS]),
        ("gs", BUCKET.format("gs"), ["dvc push --quiet"]),
        ("azure", BUCKET.format("azure"), ["dvc push --quiet"]),
    ],
)
def test_data_in_a_bucket_is_complete_without_the_embedded_store(request, tmp_path, service, config, commands):
    request.getfixturevalue(service)
    for name, text in {"data/one": "1", "data/two": "2", ".dvc/config": config}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in ["git init --quiet", "dvc add --quiet data", *commands]:
        subprocess.run(command.split(), cwd=tmp_path, env=env, check=True)
    for path in ("data", ".dvc/cache", ".dvcstore"):
        shutil.rmtree(tmp_path / path, ignore_errors=True)
    subprocess.run(["dvc", "pull", "--quiet", "data.dvc"], cwd=tmp_path, env=env, check=True)
    assert ["1", "2"] == [(tmp_path / "data" / name).read_text() for name in ("one", "two")]

"""Tests of data in S3, set up as in docs/security.md: changed objects are rejected by name."""

from __future__ import annotations

import shutil

import boto3
import pytest

from tests.delivery import emulators

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
SETTINGS = (
    ("remote", "add", "--default", "bucket", "s3://bucket/data"),
    ("remote", "modify", "bucket", "verify", "true"),
    ("push", "--quiet"),
)


@pytest.fixture
def s3():
    """Yield the address of a fake S3 with one bucket, and a client."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    with emulators.aws() as address:
        client = boto3.client("s3", endpoint_url=address, **keys)
        client.create_bucket(Bucket="bucket")
        yield address, client
        client.close()


@pytest.mark.parametrize("start", ["first", "second"])
def test_each_fake_s3_starts_empty(start, s3):
    _, client = s3
    assert 0 == client.list_objects_v2(Bucket="bucket")["KeyCount"]
    client.put_object(Bucket="bucket", Key=start, Body=b"left")


def test_data_in_s3_is_fetched_intact_and_poison_is_rejected_by_name(project, s3):
    address, client = s3
    variables = KEYS | {"AWS_ENDPOINT_URL": address}
    for command in SETTINGS:
        project.run("dvc", *command, **variables)
    before = project.hashes()
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="bucket", Prefix="data/files/md5")["Contents"]]
    assert len(project.objects(place=".dvcstore/files/md5")) == len(keys)
    for poisoned in (None, next(key for key in keys if not key.endswith(".dir"))):
        for name in (".dvc/cache", "data"):
            shutil.rmtree(project.root / name)
        if poisoned is None:
            project.slipway("pull", **variables)
            assert before == project.hashes()
        else:
            client.put_object(Bucket="bucket", Key=poisoned, Body=b"poison")
            message = project.refused("pull", **variables)
            digest = "".join(poisoned.split("/")[-2:])
            assert f"object {digest} is missing on the remote or corrupt; rejected" in message
            assert not (project.root / "data").exists()

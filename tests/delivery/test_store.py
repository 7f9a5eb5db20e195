"""Stores have complete releases only, and never two releases of one version."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import traceback
from functools import partialmethod
from typing import TYPE_CHECKING

import aiohttp
import boto3
import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from fsspec.config import conf, set_conf_env

from slipway.environment import buckets
from slipway.errors import (
    DigestMismatchError,
    MissingFileError,
    MissingToolError,
    NoReleaseError,
    SettingError,
    ToolError,
    UnreadableFileError,
    UserError,
)
from slipway.git.command import UnreachableRemoteError
from slipway.github.api import ApiError
from slipway.release import manifest
from slipway.release.store import WrongReleaseError, fetch, open_store
from slipway.release.store.files import extract, pack, replace
from slipway.release.store.folder import FolderStore
from slipway.release.store.github import GitHubStore
from tests import release_manifest
from tests.delivery import emulators
from tests.simulate_growth import Counter

if TYPE_CHECKING:
    from collections.abc import Iterator

GH = """#!{python}
# A fake of GitHub's `gh`: a release is a folder named by its tag; a draft is a folder in drafts/.
import os, pathlib, shutil, signal, sys
site, (_, command, *rest) = pathlib.Path(os.environ["FAKE_GITHUB"]), sys.argv[1:]
published, drafts = site / "published", site / "drafts"
for folder in (published, drafts):
    folder.mkdir(parents=True, exist_ok=True)
tag = rest[0]
if command == "list":
    names = [entry.name for entry in (drafts if "isDraft" in " ".join(rest) else published).iterdir()]
    print("\\n".join(names[: int(rest[rest.index("--limit") + 1])]))
elif command == "create":
    (drafts / tag).mkdir()
    for file in rest[1 : rest.index("--verify-tag")]:
        shutil.copy(file, drafts / tag)
    if "FAKE_GH_DIES" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    (drafts / tag).rename(published / tag)
elif command == "delete":
    shutil.rmtree(next(path for path in (drafts / tag, published / tag) if path.exists()))
elif not (published / tag).exists():
    sys.exit("release not found, asked for with https://x:ghp_secret@github.example/")
elif command == "download":
    shutil.copy(published / tag / rest[2], rest[4])
elif command == "upload":
    for file in rest[1:]:
        shutil.copy(file, published / tag)
elif command == "view":
    print("\\n".join(entry.name for entry in (published / tag).iterdir()))
"""
SECRETS = {"AWS_ACCESS_KEY_ID": "AKIANEVERINOUTPUT", "AWS_SECRET_ACCESS_KEY": "neither+is+this"}
KILLED_BEFORE_A_STEP = """
import os, signal, sys
from pathlib import Path
from slipway.release.store import open_store
store, folder, last, count = open_store(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), 0
def step(event, arguments):
    global count
    if event in ("open", "os.mkdir", "os.rename", "shutil.copyfile"):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
store.put(folder)
"""
REPLACED_AND_KILLED_BEFORE_A_STEP = """
import os, shutil, signal, sys
from pathlib import Path
from slipway.release.store.files import replace
built, target, last, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), 0
def step(event, arguments):
    global count
    if event in ("os.mkdir", "os.rename", "os.rmdir", "os.remove", "shutil.copyfile"):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
replace(target, lambda aside: shutil.copytree(built, aside))
"""
ON_A_FULL_DISK = """
import sys
from pathlib import Path
from typer.core import TyperGroup
from slipway import cli
from slipway.release.store import FolderStore, files
what, folder, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
put = lambda *_: FolderStore(target).put(folder)
replace = lambda *_: files.replace(target, lambda aside: files.shutil.copytree(folder, aside))
TyperGroup.main = put if what == "put" else replace
cli.main()
"""
KILLED_BEFORE_A_REQUEST = """
import os, signal, sys
from pathlib import Path
from aiobotocore.httpsession import AIOHTTPSession
from slipway.environment import buckets
from slipway.release.store import open_store
buckets.SERVICES[0].upload["chunksize"] = 5 * 2**20
store, folder, last, count = open_store(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), 0
send = AIOHTTPSession.send
async def counted(self, request):
    global count
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return await send(self, request)
AIOHTTPSession.send = counted
store.put(folder)
"""


NO_DIGEST = f"sha256:{'0' * 64}"


def _release(folder, version="v0.1.0", text="content"):
    folder.mkdir(parents=True)
    (folder / "file.txt").write_text(text)
    return manifest.seal(folder, release_manifest.manifest(version))


@pytest.fixture(scope="module")
def s3():
    """Yield the URL of a fake S3 with one bucket, `releases`."""
    with emulators.aws() as address:
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **_keys())
        client.create_bucket(Bucket="releases")
        client.close()
        yield address


def _keys() -> dict[str, str]:
    return {name.lower(): value for name, value in SECRETS.items()}


@pytest.fixture
def bucket(s3, tmp_path, monkeypatch):
    """Return the URL of an empty store in S3."""
    settings = {"AWS_ENDPOINT_URL": s3, "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in {**SECRETS, **settings}.items():
        monkeypatch.setenv(name, value)
    return f"s3://releases/{tmp_path.name}"


@pytest.fixture
def github(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH.format(python=sys.executable))
    (tmp_path / "bin/gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_GITHUB", str(tmp_path / "github"))
    return "github:"


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    """Yield the URL of an emulator of Google Cloud Storage with one bucket, `releases`."""
    with emulators.google() as url:
        httpx.post(f"{url}/storage/v1/b", params={"project": "flights"}, json={"name": "releases"}).raise_for_status()
        yield url


@pytest.fixture
def google_bucket(google, tmp_path, monkeypatch) -> Iterator[str]:
    """Yield the URL of an empty store in Google's emulator."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", google)
    monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
    set_conf_env(conf, os.environ)
    yield f"gs://releases/{tmp_path.name}"
    conf.clear()


@pytest.fixture(scope="module")
def azure() -> Iterator[str]:
    """Yield the connection string of Microsoft's emulator of Azure with one container, `releases`."""
    with emulators.azure() as connection:
        BlobServiceClient.from_connection_string(connection).create_container("releases").close()
        yield connection


@pytest.fixture
def azure_container(azure, tmp_path, monkeypatch) -> str:
    """Return the URL of an empty store in Azure's emulator."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure)
    return f"az://releases/{tmp_path.name}"


PLACES = {"folder": "folder", "github": "github", "s3": "bucket", "gs": "google_bucket", "az": "azure_container"}
"""Fixture that returns the URL of an empty store, by kind of store."""


@pytest.fixture
def folder(tmp_path) -> str:
    return (tmp_path / "store").as_uri()


@pytest.fixture(params=PLACES)
def store(request):
    return open_store(request.getfixturevalue(PLACES[request.param]))


def test_a_stored_release_is_fetched_unchanged(store, tmp_path):
    built = _release(tmp_path / "built")
    store.put(built.folder)
    assert built.digest == fetch(store, "v0.1.0", built.digest, tmp_path / "got").digest


def test_storing_a_release_again_changes_nothing(store, tmp_path):
    built = _release(tmp_path / "built")
    store.put(built.folder)
    store.put(built.folder)
    assert ["v0.1.0"] == store.versions()


def test_another_release_of_the_same_version_is_refused(store, tmp_path):
    store.put(_release(tmp_path / "built").folder)
    with pytest.raises(DigestMismatchError, match="a version is never built twice"):
        store.put(_release(tmp_path / "other", text="other content").folder)


@pytest.mark.parametrize("place", ["s3", "gs", "az"])
def test_of_two_processes_that_create_a_release_the_second_is_refused(request, tmp_path, monkeypatch, place):
    """Each service refuses to create an object twice, whatever a process saw before its upload."""
    url = request.getfixturevalue(PLACES[place])
    first, second = open_store(url), open_store(url)
    built, other = _release(tmp_path / "built"), _release(tmp_path / "other", text="other")
    monkeypatch.setattr(second, "_exists", _false_once(second._exists))
    first.put(built.folder)
    with pytest.raises(DigestMismatchError, match="a version is never built twice"):
        second.put(other.folder)
    assert built.digest == fetch(first, "v0.1.0", built.digest, tmp_path / "got").digest


def _false_once(exists):
    """Return `exists` as a process sees it that asked before the other one created the object."""
    answers = iter([False])
    return lambda key: next(answers, None) is not False and exists(key)


def test_a_missing_release_is_named(store, tmp_path):
    with pytest.raises((NoReleaseError, ApiError), match=r"no such release|release not found"):
        fetch(store, "v0.1.0", NO_DIGEST, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_versions_are_ordered_by_number(store, tmp_path):
    for version in ("v0.10.0", "v0.9.0"):
        store.put(_release(tmp_path / version, version).folder)
    assert ["v0.9.0", "v0.10.0"] == store.versions()


def test_all_of_many_github_releases_are_listed(github, tmp_path):
    for number in range(1, 1101):
        (tmp_path / f"github/published/model@v0.{number}.0").mkdir(parents=True)
    assert 1100 == len(open_store(github).versions())


@pytest.mark.parametrize("place", ["s3", "gs"])
def test_a_bucket_is_listed_with_one_request_for_many_releases(request, tmp_path, monkeypatch, place):
    store = open_store(request.getfixturevalue(PLACES[place]))
    for number in range(1, 6):
        store.put(_release(tmp_path / str(number), f"v0.{number}.0").folder)
    requests = Counter()
    monkeypatch.setattr(aiohttp.ClientSession, "_request", requests.wrap(aiohttp.ClientSession._request))
    assert 5 == len(store.versions())
    assert requests.count <= 2


def test_a_release_with_a_different_digest_is_refused(store, tmp_path):
    built = _release(tmp_path / "built")
    store.put(built.folder)
    with pytest.raises(
        WrongReleaseError, match=rf"digest in the store is {built.digest}, expected {NO_DIGEST}; refused"
    ):
        fetch(store, "v0.1.0", NO_DIGEST, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_release_under_the_name_of_another_version_is_refused(tmp_path):
    other = _release(tmp_path / "other", "v0.2.0")
    shutil.copytree(other.folder, tmp_path / "store/v0.1.0")
    with pytest.raises(WrongReleaseError, match=r"v0\.1\.0: the store has v0\.2\.0 under this name; refused"):
        fetch(FolderStore(tmp_path / "store"), "v0.1.0", other.digest, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_damaged_release_is_refused(tmp_path):
    store = FolderStore(tmp_path / "store")
    built = _release(tmp_path / "built")
    store.put(built.folder)
    (tmp_path / "store/v0.1.0/file.txt").write_text("other")
    with pytest.raises(DigestMismatchError, match=r"file\.txt: SHA-256 is"):
        fetch(store, "v0.1.0", built.digest, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_evidence_is_stored_separately_from_its_release(store, tmp_path):
    built = _release(tmp_path / "built")
    store.put(built.folder)
    assert [] == store.evidence_names("v0.1.0")
    store.add_evidence("v0.1.0", [_file(tmp_path / "loadtest.html"), _file(tmp_path / "loadtest.json")])
    assert ["loadtest.html", "loadtest.json"] == store.evidence_names("v0.1.0")
    assert ["v0.1.0"] == store.versions()
    assert built.digest == fetch(store, "v0.1.0", built.digest, tmp_path / "got").digest


def test_a_release_is_stored_with_its_evidence(store, tmp_path):
    built, file = _release(tmp_path / "built"), _file(tmp_path / "signature.intoto.jsonl", "signed")
    for _ in range(2):
        store.put(built.folder, [file])
    assert ["signature.intoto.jsonl"] == store.evidence_names("v0.1.0")
    assert b"signed" == store.read_evidence("v0.1.0", "signature.intoto.jsonl")


def test_evidence_is_added_to_a_release_that_is_already_stored(store, tmp_path):
    built = _release(tmp_path / "built")
    store.put(built.folder)
    store.put(built.folder, [_file(tmp_path / "signature.intoto.jsonl", "signed")])
    assert b"signed" == store.read_evidence("v0.1.0", "signature.intoto.jsonl")


def test_a_refused_release_adds_no_evidence(store, tmp_path):
    store.put(_release(tmp_path / "built").folder)
    with pytest.raises(DigestMismatchError, match="a version is never built twice"):
        store.put(_release(tmp_path / "other", text="other").folder, [_file(tmp_path / "signature.intoto.jsonl")])
    assert [] == store.evidence_names("v0.1.0")


def test_missing_evidence_is_named(store, tmp_path):
    store.put(_release(tmp_path / "built").folder)
    with pytest.raises((MissingFileError, ToolError), match=r"nothing\.json|gh release download"):
        store.read_evidence("v0.1.0", "nothing.json")


def test_existing_evidence_is_not_replaced(tmp_path):
    store = FolderStore(tmp_path / "store")
    store.put(_release(tmp_path / "built").folder)
    for text in ("first", "second"):
        store.add_evidence("v0.1.0", [_file(tmp_path / "loadtest.json", text)])
    assert "first" == (tmp_path / "store/v0.1.0.evidence/loadtest.json").read_text()


def test_evidence_may_be_added_again(store, tmp_path):
    store.put(_release(tmp_path / "built").folder)
    for name in ("one.json", "one.json", "two.json"):
        store.add_evidence("v0.1.0", [_file(tmp_path / name)])
    assert ["one.json", "two.json"] == store.evidence_names("v0.1.0")


def test_removing_a_release_removes_its_evidence_and_no_other_release(store, tmp_path):
    for version in ("v0.1.0", "v0.2.0"):
        store.put(_release(tmp_path / version, version).folder)
        store.add_evidence(version, [_file(tmp_path / "loadtest.json")])
    store.remove("v0.1.0")
    assert ["v0.2.0"] == store.versions()
    assert ["loadtest.json"] == store.evidence_names("v0.2.0")
    with pytest.raises((NoReleaseError, ApiError)):
        fetch(store, "v0.1.0", NO_DIGEST, tmp_path / "got")


def _file(path, text="{}"):
    path.write_text(text)
    return path


def _kill(script: str, url: str, folder, step: int) -> bool:
    """Store a release in a process that is killed at a step; return whether the step was reached."""
    done = subprocess.run([sys.executable, "-c", script, url, str(folder), str(step)], capture_output=True, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


def _assert_none_or_whole(store, built, target) -> None:
    assert store.versions() in ([], ["v0.1.0"])
    if store.versions():
        assert built.digest == fetch(store, "v0.1.0", built.digest, target).digest


def test_a_killed_copy_into_a_folder_is_no_release(tmp_path):
    built, step, killed = _release(tmp_path / "built"), 0, True
    while killed:
        step += 1
        store = FolderStore(tmp_path / f"store {step}")
        killed = _kill(KILLED_BEFORE_A_STEP, store.root.as_uri(), built.folder, step)
        _assert_none_or_whole(store, built, tmp_path / f"killed {step}")
        store.put(built.folder)
        assert built.digest == fetch(store, "v0.1.0", built.digest, tmp_path / f"got {step}").digest
    assert step > 5


def test_a_killed_upload_to_s3_is_no_release(bucket, tmp_path):
    (tmp_path / "built").mkdir()
    (tmp_path / "built/large").write_bytes(random.randbytes(11 * 2**20))
    built = manifest.seal(tmp_path / "built", release_manifest.manifest())
    store = open_store(bucket)
    for request in (4, 6, 7):  # among three parts, before the last one, before the upload is completed
        assert _kill(KILLED_BEFORE_A_REQUEST, bucket, built.folder, request)
        assert [] == store.versions()
    store.put(built.folder)
    assert built.digest == fetch(store, "v0.1.0", built.digest, tmp_path / "got").digest


def test_a_killed_replacement_leaves_the_old_release_the_new_one_or_none(tmp_path):
    old, new = _release(tmp_path / "old", text="old"), _release(tmp_path / "new", text="new")
    step, killed, digests = 0, True, set()
    while killed:
        step += 1
        target = tmp_path / f"build {step}/release"
        shutil.copytree(old.folder, target)
        command = [sys.executable, "-c", REPLACED_AND_KILLED_BEFORE_A_STEP, new.folder, target, str(step)]
        code = subprocess.run(command, check=False).returncode
        assert code in {0, -signal.SIGKILL}
        killed = code != 0
        digests.add(manifest.verify(target).digest if target.exists() else None)
        assert new.digest == replace(target, lambda aside: shutil.copytree(new.folder, aside)).digest
    assert {old.digest, new.digest, None} == digests


@pytest.mark.parametrize("operation", ["put", "replace"])
def test_a_full_disk_leaves_the_old_release_and_the_error_names_the_file(tmp_path, operation):
    target = tmp_path / "target"
    if operation == "put":
        FolderStore(target).put(_release(tmp_path / "old", "v0.0.1").folder)
    else:
        _release(target, "v0.0.1")
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    built = _release(tmp_path / "built", text="x" * 9999)
    command = ["bash", "-c", 'ulimit -f 4; exec "$@"', "bash", sys.executable, "-c", ON_A_FULL_DISK]
    done = subprocess.run([*command, operation, built.folder, target], capture_output=True, text=True, check=False)
    assert (2, "") == (done.returncode, done.stdout)
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"slipway: {tmp_path}/")
    assert "file.txt: File too large; raise the file size limit" in message
    assert before == {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert [] == list(tmp_path.rglob(".incoming-*"))


def test_a_killed_upload_to_github_is_a_draft_that_the_next_one_replaces(github, tmp_path, monkeypatch):
    built, store = _release(tmp_path / "built"), open_store(github)
    with monkeypatch.context() as patch:
        patch.setenv("FAKE_GH_DIES", "1")
        with pytest.raises(ToolError, match="gh release create"):
            store.put(built.folder)
    assert [] == store.versions()
    store.put(built.folder)
    assert built.digest == fetch(store, "v0.1.0", built.digest, tmp_path / "got").digest


def test_orphans_of_killed_copies_are_removed_after_a_day(tmp_path):
    store = FolderStore(tmp_path / "store")
    for name, age in ((".incoming-old", 2 * 86_400), (".incoming-new", 60)):
        (store.root / name).mkdir(parents=True)
        os.utime(store.root / name, (time.time() - age,) * 2)
    store.put(_release(tmp_path / "built").folder)
    assert {".incoming-new", "v0.1.0"} == {path.name for path in store.root.iterdir()}


def test_a_release_that_was_changed_in_s3_is_refused(bucket, s3, tmp_path):
    store, built = open_store(bucket), _release(tmp_path / "built")
    store.put(built.folder)
    (built.folder / "file.txt").write_text("poison")
    pack(built.folder, tmp_path / "release.tar.gz")
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **_keys())
    key = f"{bucket.removeprefix('s3://releases/')}/v0.1.0/release.tar.gz"
    client.put_object(Bucket="releases", Key=key, Body=(tmp_path / "release.tar.gz").read_bytes())
    client.close()
    with pytest.raises(
        DigestMismatchError, match=r"file\.txt: SHA-256 is \w+, expected \w+ from manifest\.json; refused"
    ):
        fetch(store, "v0.1.0", built.digest, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_release_that_was_truncated_in_s3_is_refused(bucket, s3, tmp_path):
    store = open_store(bucket)
    store.put(_release(tmp_path / "built").folder)
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **_keys())
    key = {"Bucket": "releases", "Key": f"{bucket.removeprefix('s3://releases/')}/v0.1.0/release.tar.gz"}
    client.put_object(**key, Body=client.get_object(**key)["Body"].read()[:-50])
    client.close()
    with pytest.raises(UnreadableFileError, match=r"release\.tar\.gz: cannot be unpacked .*; refused"):
        fetch(store, "v0.1.0", NO_DIGEST, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def _traceback(error: type[UserError], call) -> str:
    """Return the complete traceback of the `error` that `call` raises."""
    with pytest.raises(error) as caught:
        call()
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("endpoint", [None, "http://user:neither+is+this@127.0.0.1:9", "http://127.0.0.1:9"])
def test_errors_of_s3_contain_no_credentials(bucket, tmp_path, monkeypatch, endpoint, caplog, capfd):
    caplog.set_level(logging.DEBUG, "slipway")
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    store = open_store("s3://not-there/releases")
    text = _traceback(ToolError, lambda: store.put(_release(tmp_path / "built").folder))
    out, err = capfd.readouterr()
    assert "s3://not-there/releases: " in text
    assert [] == [secret for secret in SECRETS.values() if secret in text + out + err + caplog.text]


@pytest.mark.parametrize("url", ["s3://key:neither+is+this@releases/x", "ftp://me:neither+is+this@host"])
def test_credentials_in_the_url_of_a_store_are_refused_and_not_quoted(url):
    text = _traceback(SettingError, lambda: open_store(url))
    assert "unsupported URL" in text
    assert "neither+is" not in text


def test_credentials_in_the_output_of_gh_are_not_quoted(github, tmp_path):
    text = _traceback(ApiError, lambda: fetch(open_store(github), "v0.1.0", NO_DIGEST, tmp_path / "got"))
    assert "https://***@github.example/" in text
    assert "ghp_secret" not in text


def test_credentials_in_the_url_of_origin_are_not_quoted(project):
    project.git("remote", "set-url", "origin", "http://me:ghp_secret@127.0.0.1:9/team/flights.git")
    text = _traceback(UnreachableRemoteError, lambda: project.branch.fetch())
    assert "127.0.0.1" in text
    assert "ghp_secret" not in text


@pytest.mark.parametrize("service", buckets.SERVICES, ids=lambda service: service.scheme)
def test_a_missing_package_is_named_with_its_group(monkeypatch, service):
    monkeypatch.setitem(sys.modules, service.package, None)
    with pytest.raises(MissingToolError, match=f"{service.package} is not installed; `uv sync --group {service.group}"):
        open_store(f"{service.scheme}://releases")


def test_missing_credentials_of_azure_are_named(monkeypatch):
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingError, match=r"^az://…: .*; check that AZURE_STORAGE_ACCOUNT_NAME is set"):
        open_store("az://releases")


def test_a_missing_gh_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="gh: not found"):
        GitHubStore().versions()


def test_an_unsupported_store_is_refused():
    with pytest.raises(SettingError, match="SLIPWAY_STORE=ftp://x: unsupported URL"):
        open_store("ftp://x")


@pytest.fixture(params=["the filter of Python", "none, as in 3.11.2"])
def a_filter(request, monkeypatch) -> None:
    if request.param.startswith("none") and hasattr(tarfile, "data_filter"):
        monkeypatch.delattr(tarfile, "data_filter")
        whole = partialmethod(tarfile.TarFile.extractall, filter="fully_trusted")
        monkeypatch.setattr(tarfile.TarFile, "extractall", whole)


@pytest.mark.usefixtures("a_filter")
def test_an_archive_is_extracted_completely(tmp_path):
    (tmp_path / "from/below").mkdir(parents=True)
    (tmp_path / "from/below/file").write_text("whole")
    pack(tmp_path / "from", tmp_path / "archive")
    with tarfile.open(tmp_path / "archive") as tar:
        extract(tar, tmp_path / "to")
    assert "whole" == (tmp_path / "to/below/file").read_text()


@pytest.mark.usefixtures("a_filter")
@pytest.mark.parametrize(("name", "kind"), [("../out", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)])
def test_a_member_outside_of_the_folder_is_not_extracted(tmp_path, name, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "../out" if kind == tarfile.SYMTYPE else ""
    with tarfile.open(tmp_path / "archive", "w") as tar:
        tar.addfile(member)
    with tarfile.open(tmp_path / "archive") as tar, pytest.raises(tarfile.TarError):
        extract(tar, tmp_path / "to")
    assert [tmp_path / "archive"] == [path for path in tmp_path.rglob("*") if not path.is_dir()]

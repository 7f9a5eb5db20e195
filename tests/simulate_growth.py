"""Measure the delivery loop of a repository with many releases, on local folders and on loopback.

`python -m tests.simulate_growth RELEASES FOLDER` fills FOLDER: a store with small releases, and a branch `deploy` on
which each was promoted to staging and every fifth to production. It then prints a line for each step of the loop:
processor seconds including those of git, processes of git, and seconds. Other lines give the requests to a bucket with
as many releases, which moto emulates.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from contextlib import contextmanager, redirect_stdout
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.httpsession import AIOHTTPSession

from slipway.agent import status
from slipway.agent.follower import Follower
from slipway.deployment import promotion
from slipway.environment import spec, versions
from slipway.environment.deploy_branch import BRANCH
from slipway.environment.spec import EnvironmentFile, Policy
from slipway.files import sha256
from slipway.git import Git, client
from slipway.release import lifecycle, manifest, publish
from slipway.release.store import fetch, open_store
from slipway.release.store.files import ARCHIVE, EVIDENCE
from tests import release_manifest
from tests.delivery import emulators
from tests.delivery.conftest import Project, create, git, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = 1_700_000_000  # time of the first commit, in Unix seconds
INTERVAL_SECONDS = 3600  # between two releases
RELEASES_PER_PRODUCTION = 5
EVIDENCE_FILES = 5  # next to each release in the bucket
KEPT_RELEASES = 20
REGION = "us-east-1"
SOAK_HOURS = 24
FIRST = EnvironmentFile(release="v9.9.9", digest=f"sha256:{'e' * 64}", commit="f" * 40, promotion=123456789)


class Counter:
    """The number of calls of functions that it wraps."""

    def __init__(self) -> None:
        self.count = 0

    def wrap(self, function: Any) -> Any:
        """Return `function`, counted."""

        def counted(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            return function(*arguments, **options)

        return counted


@contextmanager
def measured(step: str, processes: Counter) -> Iterator[None]:
    """Print the processor seconds, processes of git and seconds of a step, without what the step prints."""
    count, begin, before = processes.count, time.monotonic(), os.times()
    with redirect_stdout(io.StringIO()):
        yield
    after, seconds = os.times(), time.monotonic() - begin
    used = sum(after[:4]) - sum(before[:4])
    print(f"{step}: {used:.2f} CPU s, {processes.count - count:,} processes of git, {seconds:.2f} s", flush=True)


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"


class Import:
    """A stream for `git fast-import` of commits and tags, each later than the previous one."""

    def __init__(self, head: str) -> None:
        self.lines: list[str] = []
        self.parent, self.mark, self.seconds = head, 0, BEGIN

    def commit(self, message: str, path: str, content: str, tag: str) -> None:
        """Add a commit on `deploy` that writes one file, and a tag on it."""
        self.mark += 1
        self.seconds += 1
        user = f"Ada <ada@example.org> {self.seconds} +0000"
        self.lines += [f"commit refs/heads/{BRANCH}\nmark :{self.mark}\ncommitter {user}\n", _data(message)]
        self.lines += [f"from {self.parent}\nM 100644 inline {path}\n", _data(content)]
        self.lines += [f"tag {tag}\nfrom :{self.mark}\ntagger {user}\n", _data(message)]
        self.parent = f":{self.mark}"


def grow(project: Project, count: int) -> None:
    """Publish `count` releases, and promote each to staging and every fifth to production."""
    project.publish(_version(1))
    stream = Import(git(project.origin, "rev-parse", BRANCH))
    for number in range(2, count + 1):
        version, commit = _version(number), f"c{number:039x}"
        release = _write(project.store.root / version, release_manifest.manifest(version, commit=commit))
        stream.seconds = BEGIN + number * INTERVAL_SECONDS
        message = f"Release {version}\n\nDigest: {release.digest}\nBuilt-from: {commit}\n"
        stream.commit(
            message, f".dvcstore/files/md5/{number % 256:02x}/{number}", version, versions.version_tag(version)
        )
        _promote(stream, "staging", release, number)
        if number % RELEASES_PER_PRODUCTION == 0:
            _promote(stream, "production", release, number // RELEASES_PER_PRODUCTION)
    Git(project.origin).run("fast-import", "--quiet", "--force", stdin="".join(stream.lines))
    git(project.origin, "gc", "--quiet")


def _write(folder: Path, facts: manifest.Manifest) -> manifest.Release:
    """Write a release of one file as the store would place it, which verifies no byte and is therefore fast."""
    (folder / "model").mkdir(parents=True)
    (folder / "model/model.onnx").write_text(facts.version)
    hashes = {"model/model.onnx": sha256(folder / "model/model.onnx")}
    manifest.write(folder / manifest.MANIFEST, facts.model_copy(update={"files": hashes}).content())
    return manifest.Release(folder, manifest.digest_of(folder), facts)


def _promote(stream: Import, environment: str, release: manifest.Release, number: int) -> None:
    message = f"Promote {release.version} to {environment}\n\nRelease: {release.version}\nDigest: {release.digest}\n"
    text = _template(environment)
    for old, new in {
        FIRST.release: release.version,
        FIRST.digest: release.digest,
        FIRST.commit: release.commit,
        str(FIRST.promotion): str(number),
    }.items():
        text = text.replace(old, new)
    stream.commit(message, spec.path_of(environment), text, versions.stage_tag(environment, number))


@cache
def _template(environment: str) -> str:
    """Return the file of an environment with FIRST, since writing YAML takes milliseconds."""
    policy = Policy(soak_hours=SOAK_HOURS) if environment == "production" else None
    return spec.render(environment, FIRST.model_copy(update={"policy": policy}))


def edit_by_hand(project: Project) -> None:
    """Name a release that has not soaked in production's file, under the number of its newest promotion."""
    state = project.desired_state("production")
    current = state.read()
    assert current
    digest = f"sha256:{'0' * 64}"
    state.change(current.model_copy(update={"digest": digest}), "Edit by hand", number=None)


def _version(number: int) -> str:
    return f"v0.{number}.0"


def measure_loop(project: Project, count: int, processes: Counter) -> None:
    """Measure what a merge, the agents and an operator do with the repository."""
    folder = project.root.parent
    with measured("fetch `deploy` into a clone", processes):
        project.branch.fetch(stages=True)
    project.commit()
    head = project.git("rev-parse", "HEAD")
    with measured("`slipway release build`: search for a release of the commit", processes):
        project.branch.version_of(head)
    built = project.build(_version(count + 1))
    with measured("`slipway release publish`", processes):
        release = publish.publish(project.root, built, project.store)
    followers = {name: Follower(folder / name, str(project.origin), name) for name in ("staging", "production")}
    with measured("first poll of an agent", processes):
        followers["staging"].poll()
    with measured("`slipway promote`", processes):
        promotion.promote(project.desired_state(), release.version, project.store)
    with measured("poll after a promotion", processes):
        followers["staging"].poll()
    with measured("poll without a change", processes):
        followers["staging"].poll()
    edit_by_hand(project)
    followers["production"].poll()
    with measured("poll that refuses a commit by hand for its soak time", processes):
        refused = followers["production"].poll()
    assert "soaked" in str(refused.problem)
    with measured("`slipway status`", processes):
        status.status(project.root)
    with measured("`slipway release list`", processes):
        lifecycle.list_releases()
    with measured("`slipway rollback`", processes):
        promotion.rollback(project.desired_state(), None, project.store)
    with measured("fetch a release", processes):
        fetch(project.store, release.version, release.digest, folder / "fetched")
    with measured(f"`slipway release prune --keep {KEPT_RELEASES}`", processes):
        lifecycle.prune(KEPT_RELEASES)


def measure_bucket(project: Project, count: int, patch: pytest.MonkeyPatch) -> None:
    """Print the requests to a bucket with `count` releases."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket("growth", REGION)
    for number in range(1, count + 1):
        names = [ARCHIVE, *(f"{EVIDENCE}/{file}.json" for file in range(EVIDENCE_FILES))]
        for name in names:
            backend.put_object("growth", f"releases/{_version(number)}/{name}", b"{}")
    requests = Counter()
    patch.setattr(AIOHTTPSession, "send", requests.wrap(AIOHTTPSession.send))
    store, folder = open_store("s3://growth/releases"), project.root.parent
    release = manifest.verify(folder / "built" / _version(count + 1))
    steps = {
        "publish": lambda: store.put(release.folder, [release.folder / "smoke.json"]),
        "list": store.versions,
        "fetch": lambda: fetch(store, release.version, release.digest, folder / "from-bucket"),
        "remove": lambda: store.remove(release.version),
    }
    for step, function in steps.items():
        before, begin = requests.count, time.monotonic()
        function()
        seconds = time.monotonic() - begin
        print(f"bucket, {step}: {requests.count - before:,} requests, {seconds:.2f} s", flush=True)


def main() -> None:
    """Fill the folder, and print a line for each step."""
    parser = argparse.ArgumentParser(prog="tests.simulate_growth", description="Measure delivery with many releases.")
    parser.add_argument("releases", type=int, help=f"number, at least {RELEASES_PER_PRODUCTION}")
    parser.add_argument("folder", type=Path, help="new folder to fill")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True)
    processes = Counter()
    with pytest.MonkeyPatch.context() as patch:
        settle(folder, patch)
        project = create(folder)
        patch.chdir(project.root)
        grow(project, options.releases)
        patch.setattr(client, "execute", processes.wrap(client.execute))
        measure_loop(project, options.releases, processes)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        with emulators.aws() as url:
            patch.setenv("AWS_ENDPOINT_URL", url)
            measure_bucket(project, options.releases, patch)


if __name__ == "__main__":
    main()

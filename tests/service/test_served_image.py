"""The image of a release: built, pushed to a registry, pulled, verified and served, without Docker.

buildah's chroot isolation needs no rights beyond those of a process. The release is that of the toy problem with the
packages of every release, and the base is made from the packages of this distribution.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from slipway import predictor
from slipway.errors import RejectedError
from slipway.image import build, registry, verify
from slipway.image.layout import Layout
from slipway.image.publish import record_of
from slipway.release import manifest
from slipway.serving.run import free_port
from tests import images, release_manifest

from . import lambda_runtime
from .conftest import REPOSITORY
from .lambda_runtime import url_event

ANSWERS = 20
READY_SECONDS = 120
REBUILD_MAX = 0.2  # of the processor time of a first build, for the image of the next model
APP_MEGABYTES_MAX = 150  # unpacked, of packages, code and model
IMAGE_MEGABYTES_MAX = 205  # unpacked, with the base
FORBIDDEN = re.compile(r"(^|/)(pip|gcc|cc|g\+\+|make|git|sh|bash|dash|apt|apt-get|dpkg|perl|curl|wget)(-[\d.]+)?$")
VERSIONS = ("v1.2.3", "v1.2.4")


def processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def release_of(folder: Path, version: str, model: Path, bento: Path) -> manifest.Release:
    """Make a release of the toy problem in `folder`."""
    shutil.copytree(model, folder / "model")
    facts = json.loads((folder / "model/release.json").read_text()) | {"version": version}
    (folder / "model/release.json").write_text(json.dumps(facts))
    shutil.copytree(bento, folder / "bento")
    shutil.copy(folder / "model/release.json", folder / "bento/src/model/release.json")
    command = ["uv", "export", "--frozen", "--no-emit-project", "--quiet", "--no-header", "--only-group", "serve"]
    locked = subprocess.run(
        [*command, "--format", "pylock.toml"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout
    (folder / manifest.LOCKED).write_text(locked)
    return manifest.seal(folder, release_manifest.manifest(version))


@pytest.fixture(scope="module")
def bento(build_bento) -> Path:
    """Build a Bento of the toy problem, whose image installs the locked packages of the release."""
    options = yaml.safe_load((REPOSITORY / "bentofile.yaml").read_text())
    del options["python"]["requirements_txt"]
    return build_bento(options)


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    kinds, names = ("a", "b"), ("XY", "PQ")
    weights = [n / 7 if n % 3 else None for n in range(ANSWERS)]
    return [
        {"size": 4.5 * n, "count": 1 + n % 9, "kind": kinds[n % 2], "name": names[n % 2], "weight": weight}
        for n, weight in enumerate(weights)
    ]


@pytest.fixture(scope="module")
def built(tool, model_dir, bento, tmp_path_factory):
    """Build the images of two releases that differ in their model, and measure both builds."""
    _ = tool("skopeo"), tool("buildah"), tool("docker-registry")
    folder = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        releases, seconds = [], []
        for version in VERSIONS:
            release = release_of(folder / version, version, model_dir, bento)
            start = processor_seconds()
            image = build.build(release, None, None, Layout(folder / "layout"))
            seconds.append(processor_seconds() - start)
            releases.append((release, image))
        yield releases, seconds


def wait_until(url: str, log: Path) -> float:
    start = time.monotonic()
    while time.monotonic() - start < READY_SECONDS:
        try:
            if httpx.get(url).status_code == 200:
                return time.monotonic() - start
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


@contextmanager
def served(buildah: str, layout: Layout, tag: str, folder: Path):
    """Serve an image in chroot isolation as its own user, yield its URL, and stop it."""
    storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]
    command = [buildah, *storage]
    source = f"oci:{layout.folder}:{tag}"
    subprocess.run([*command, "from", "--name", "served", source], check=True, capture_output=True)
    config = layout.read_json(layout.read_json(layout.named(tag)["digest"])["config"]["digest"])["config"]
    port, log = free_port(), folder / "log"
    run = ["run", "--isolation", "chroot", "--user", config["User"], "served", "--", *config["Entrypoint"]]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *run, "--host", "127.0.0.1", "--port", str(port)], stdout=output, stderr=output
        )
    try:
        wait_until(f"http://127.0.0.1:{port}/readyz", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        subprocess.run([*command, "rm", "served"], check=True, capture_output=True)


@pytest.mark.timeout(900)
def test_an_image_is_pushed_pulled_verified_and_served(tool, built, rows, tmp_path):
    release, image = built[0][0]
    layout = Layout(tmp_path / "pulled")
    with images.running_registry(tmp_path) as address:
        reference = registry.push(image.layout, image.descriptor, f"{address}/toy/model", release.version)
        assert f"{address}/toy/model@{image.digest}" == reference
        pushed = record_of(image, release, f"{address}/toy/model")
        assert verify.rebuild(verify.pull(pushed, release, layout), is_vouched=False).startswith(
            f"{reference}: 3 layers equal the release's"
        )
    with served(tool("buildah"), layout, registry.PULLED, tmp_path) as url:
        response = httpx.post(f"{url}/predict", json=rows)
    model = predictor.load(release.folder / "model")
    expected = model.predict({name: [row[name] for row in rows] for name in rows[0]}).tolist()
    assert (200, release.version) == (response.status_code, response.json()["release"])
    assert expected == pytest.approx(response.json()["predictions"], abs=1e-6)


@pytest.mark.timeout(900)
def test_the_image_answers_events_of_lambda(tool, built, rows, tmp_path):
    """The commands of docs/serverless.md, by buildah in place of docker, with a layer for each step as podman makes."""
    release, image = built[0][0]
    page = (REPOSITORY / "docs/serverless.md").read_text()
    steps = [line.strip() for line in page.splitlines() if line.startswith(("    uv export", "    uv pip install"))]
    assert 2 == len(steps)
    version = python_of(image)
    for step in steps:
        command = shlex.split(step.replace("build/lambda", str(tmp_path / "lambda")).replace("3.12", version))
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    storage = ["--root", str(tmp_path / "storage"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs"]
    buildah = [tool("buildah"), *storage]
    source = f"IMAGE=oci:{image.layout.folder}:{release.version}"
    file = ["--file", str(REPOSITORY / "deploy/lambda/Dockerfile"), "--tag", "function", str(tmp_path / "lambda")]
    build_command = [*buildah, "build", "--layers", "--isolation", "chroot", "--build-arg", source, *file]
    for command in (build_command, [*buildah, "from", "--name", "function", "function"]):
        subprocess.run(command, check=True, capture_output=True)
    content = subprocess.run([*buildah, "inspect", "function"], check=True, capture_output=True, text=True).stdout
    config = json.loads(content)["OCIv1"]["config"]
    run = [*buildah, "run", "--isolation", "chroot", "--env", "AWS_LAMBDA_RUNTIME_API=ADDRESS", "--user", "10002:10002"]
    command = [*run, "function", "--", *config["Entrypoint"], *config["Cmd"]]
    event = url_event("POST", "/predict", {"content-type": "application/json"}, json.dumps(rows))
    with lambda_runtime.running(command, tmp_path, os.environ) as (runtime, _):
        outcome, response = runtime.invoke(event)
    assert ("response", 200) == (outcome, response["statusCode"])
    model = predictor.load(release.folder / "model")
    expected = model.predict({name: [row[name] for row in rows] for name in rows[0]}).tolist()
    assert expected == pytest.approx(json.loads(response["body"])["predictions"], abs=1e-6)


def python_of(image: build.Image) -> str:
    """Return the version of Python in an image, such as `3.12`."""
    layer = image.layout.read_json(image.digest)["layers"][-3]
    with tarfile.open(image.layout.blob(layer["digest"])) as tar:
        return next(match[1] for name in tar.getnames() if (match := re.search(r"/lib/python(3\.\d+)/", name)))


def test_a_registry_that_returns_another_image_is_refused(built, tmp_path):
    (first, image), (_, other) = built[0]
    with images.running_registry(tmp_path) as address:
        registry.push(image.layout, image.descriptor, f"{address}/toy/model", first.version)
        pushed = record_of(image, first, f"{address}/toy/model")
        registry.push(other.layout, other.descriptor, f"{address}/toy/model", first.version)
        with pytest.raises(RejectedError, match=f"the tag was moved to {other.digest}, expected {image.digest}"):
            verify.pull(pushed, first, Layout(tmp_path / "pulled"))


def test_the_image_of_the_next_model_reuses_every_other_layer(built):
    releases, (first, second) = built
    layers = [image.layout.read_json(image.digest)["layers"] for _, image in releases]
    assert [True, True, True, False] == [old == new for old, new in zip(*layers, strict=True)]
    assert layers[1][-1]["size"] < 1_000_000
    assert second <= REBUILD_MAX * first, f"{second:.1f} s of {first:.1f} s"


def test_the_image_is_small_and_has_no_tools(built, record_property):
    _, image = built[0][0]
    content = image.layout.read_json(image.digest)
    sizes, names = [], []
    for layer in content["layers"]:
        with tarfile.open(image.layout.blob(layer["digest"])) as tar:
            members = tar.getmembers()
        sizes.append(sum(member.size for member in members) / 1e6)
        names += [member.name for member in members if not member.isdir()]
    record_property("megabytes of base, packages, code and model", [round(size, 1) for size in sizes])
    assert [] == [name for name in names if FORBIDDEN.search(name)]
    assert sum(sizes[1:]) <= APP_MEGABYTES_MAX
    assert sum(sizes) <= IMAGE_MEGABYTES_MAX

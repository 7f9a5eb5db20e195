"""An agent whose releases run as containers, by buildah in chroot isolation, with the guarantees of processes.

The service is that of the other tests, in a package that the image installs; the base is that of real images.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from slipway.agent import containers, installation, processes, router, runtimes, supervision
from slipway.agent.agent import prefix
from slipway.agent.runtime import PROCESSES
from slipway.environment.place import Place
from slipway.errors import ArgumentError, MissingToolError, RejectedError
from slipway.image import publish
from tests import images
from tests.delivery import conftest

SETTINGS = conftest.SETTINGS.model_copy(update={"ready_seconds": 60})
TIMEOUT_SECONDS = 240  # each layer is copied where the storage driver shares none
USER = 10001
STOPPED = "stopped gracefully"
MAIN = f"""
import signal, sys
def stop(*_):
    print({STOPPED!r}, flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, stop)
sys.argv = [sys.argv[0], sys.argv[2] + "/src", sys.argv[-1]]
exec({conftest.SERVICE!r})
"""


def wheel(folder: Path) -> Path:
    """Write a wheel in place of BentoML, whose service is that of the other tests."""
    file = folder / "bentoml-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("bentoml/__main__.py", MAIN)
        archive.writestr("bentoml-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: bentoml\nVersion: 1.0\n")
        archive.writestr(
            "bentoml-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("bentoml-1.0.dist-info/RECORD", "")
    return file


def locked(file: Path) -> str:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = f'{{ name = "{file.name}", path = "{file}", hashes = {{ sha256 = "{digest}" }} }}'
    return (
        'lock-version = "1.0"\ncreated-by = "test"\n'
        f'[[packages]]\nname = "bentoml"\nversion = "1.0"\nwheels = [{entry}]\n'
    )


@pytest.fixture
def ship(project, tool, tmp_path, monkeypatch):
    """Publish a release and push its image to a folder of this machine, and promote the release."""
    _ = tool("buildah")
    monkeypatch.delenv(publish.IMAGES, raising=False)
    (project.root / "src/kind").write_text("good")
    (project.root / "src/app.py").write_text("")
    (project.root / ".gitignore").write_text("/build\n/data\n/model\n/results\n")
    requirements = locked(wheel(tmp_path))

    def shipped(version: str) -> None:
        release = project.publish(version, requirements=requirements)
        publish.build_image(release.folder, None)
        publish.push_image(release.folder, None)
        project.promote(version)

    return shipped


@pytest.fixture
def crew(project, ship, tmp_path, monkeypatch):
    ship("v0.1.0")
    (tmp_path / "podman").write_text("#!/bin/sh\necho cannot create a cgroup >&2\nexit 125\n")
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    crew = conftest.Crew(project, runtimes.named("container"), SETTINGS, TIMEOUT_SECONDS)
    yield crew
    supervision.stop(crew.place, timeout_seconds=10)
    assert {} == crew.running
    assert [] == engines(crew.place)
    assert str(crew.place.root) not in Path("/proc/self/mounts").read_text()


def engines(place: Place) -> list[psutil.Process]:
    """Return the processes of buildah and of containers of an environment, with a tag or without."""
    listed = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        if process.info["status"] != psutil.STATUS_ZOMBIE and (str(place.root) in command or "/app/venv" in command):
            listed.append(process)
    return listed


def inside(crew) -> list[psutil.Process]:
    """Return the processes in containers, by their user."""
    running = [psutil.Process(pid) for pid in crew.running]
    return [process for process in running if process.uids().real == USER]


@contextmanager
def clients(url: str):
    """Send requests until the block ends, and yield their outcomes."""
    outcomes, done = [], threading.Event()

    def send() -> None:
        with httpx.Client(timeout=20) as client:
            while not done.is_set():
                try:
                    outcomes.append(client.post(f"{url}/predict", json={"x": 1}).status_code)
                except httpx.HTTPError as error:
                    outcomes.append(repr(error))
                time.sleep(0.02)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield outcomes
    finally:
        done.set()
        thread.join()


@pytest.mark.timeout(900)
def test_releases_run_as_containers_with_the_guarantees_of_processes(crew, ship, capfd):
    crew.settle()
    assert "v0.1.0" == crew.serves
    (process,) = inside(crew)
    (first,) = crew.agent.state.instances
    assert first.tag == process.environ()[processes.TAG_VARIABLE]
    assert 2 == httpx.post(f"{crew.agent.url}/predict", json={"x": 1}).json()["predictions"][0]

    process.kill()
    crew.until(lambda: first not in crew.agent.state.instances)
    crew.settle()
    assert ("v0.1.0", 1) == (crew.serves, len(inside(crew)))
    assert "podman: cannot create a cgroup; " in capfd.readouterr().err

    (second,) = crew.agent.state.instances
    psutil.Process(second.pid).kill()  # stands for the container, and ends buildah, which then unmounts nothing
    crew.until(lambda: second not in crew.agent.state.instances)
    crew.settle()
    assert ("v0.1.0", 1) == (crew.serves, len(inside(crew)))

    ship("v0.2.0")
    with clients(crew.agent.url) as outcomes:
        crew.settle()
        crew.until(lambda: ["v0.2.0"] == [instance.release for instance in crew.agent.state.instances])
    assert "v0.2.0" == crew.serves
    assert {200} == set(outcomes), outcomes
    assert STOPPED in crew.place.log("v0.1.0").read_text()

    (before,) = crew.agent.state.instances
    orphan = f"{prefix(crew.place)}v0.2.0-orphan"
    release = installation.verified(crew.place, before.digest)
    crew.runtime.start(
        crew.place, release, router.free_port(), orphan
    )  # by an agent that is killed before it records this
    crew.replace()
    assert orphan not in crew.running.values()
    crew.settle()
    assert ("v0.2.0", [before], 1) == (crew.serves, crew.agent.state.instances, len(inside(crew)))


@pytest.mark.timeout(300)
def test_an_image_of_a_registry_runs_by_the_digest_in_git(crew, ship, tool, tmp_path, monkeypatch):
    _ = tool("docker-registry")
    with images.running_registry(tmp_path / "registry") as address:
        monkeypatch.setenv(publish.IMAGES, f"{address}/flights")
        ship("v0.2.0")
        crew.settle()
    assert "v0.2.0" == crew.serves
    (instance,) = crew.agent.state.instances
    assert f"{address}/flights@sha256:" in crew.project.desired_state().read().image
    settings = json.loads((crew.place.root / f"containers/{instance.digest[7:39]}.json").read_text())
    assert crew.project.desired_state().read().image == settings["image"]


def test_a_release_without_an_image_is_refused(project, crew):
    project.publish("v0.2.0")
    project.promote("v0.2.0")
    crew.settle()
    assert "v0.2.0: has no image; run `slipway image build` and `slipway image push`" in crew.agent.state.bad.reason


def test_an_image_that_nobody_vouches_for_is_refused(project, tool, tmp_path, monkeypatch):
    _ = tool("buildah")
    monkeypatch.delenv(publish.IMAGES, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    release = project.publish("v0.1.0")
    publish.build_image(release.folder, images.base_of(tmp_path))
    publish.push_image(release.folder, None)
    project.promote("v0.1.0")
    runtime = containers.Containers([containers.Buildah()])
    with pytest.raises(RejectedError, match="neither git nor a signature names it, and its base was not made here"):
        runtime.install(Place.of("staging"), project.store, project.desired_state().read())


def test_podman_runs_a_container_where_it_can(project, tmp_path, monkeypatch):
    log = tmp_path / "podman.log"
    (tmp_path / "podman").write_text(f'#!/bin/sh\n[ "${{#4}}" -le 50 ] && echo "$*" >> {log}\n')  # as podman 4 does
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    release = project.publish("v0.1.0")
    publish.build_image(release.folder, images.base_of(tmp_path))
    config = containers.Layout(publish.LAYOUT)
    digest = config.named("v0.1.0")["digest"]
    config.name(config.named("v0.1.0"), "pulled")
    settings = config.read_json(config.read_json(digest)["config"]["digest"])["config"]
    podman, *_ = containers.engines()
    podman.load(tmp_path / "store", config, "a" * 32)
    pull, tag, probe = log.read_text().splitlines()
    assert pull.endswith(f"pull --quiet oci:{config.folder}:pulled")
    assert tag.endswith(f"{config.read_json(digest)['config']['digest'].removeprefix('sha256:')} {'a' * 32}")
    assert probe.endswith(f"--user 10001:10001 --entrypoint /app/venv/bin/python localhost/{'a' * 32} -c pass")
    command = podman.command(tmp_path / "store", "a" * 32, settings, ["--env", "A=b"], 3000)
    assert {"--rm", "--read-only", "--cap-drop"} < set(command)
    assert ["--env", "A=b", f"localhost/{'a' * 32}", "--host", "127.0.0.1", "--port", "3000"] == command[-7:]


def test_a_machine_without_an_engine_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="--runtime container: needs podman or buildah"):
        runtimes.named("container")


def test_the_default_is_a_process():
    assert PROCESSES is runtimes.named("process")
    with pytest.raises(ArgumentError, match="--runtime vm: unknown; use one of process, container"):
        runtimes.named("vm")

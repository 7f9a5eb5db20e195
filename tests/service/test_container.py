"""The entry point of the image: a single worker in its own process, and BentoML where its options need it.

pytest tests/service/test_container.py -k cold -s
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import time

import pytest

from slipway.serving import container
from slipway.serving.assembly import SETTINGS
from slipway.serving.run import free_port

from .conftest import IMAGE, REPOSITORY, entry_point, environment

ALL = "0.0.0.0"  # noqa: S104  inside the container
OF_OTHERS = {"BENTOML_HOST", "BENTOML_PORT", "BENTOML_DO_NOT_TRACK", "BENTOML_VERBOSITY"}  # address, telemetry, own log
SUPERVISION = {"bentoml", "circus", "tornado", "opentelemetry"}
STARTS = 3
START_SECONDS_MAX = 1.5  # of processor time, until it is ready


class ReplacedError(Exception):
    """The process would be replaced by a command."""


@pytest.fixture
def started(monkeypatch):
    """Run the entry point, and return how it would start the service: an address, or the command of BentoML."""
    for name in (*container.BENTOML_VARIABLES, "PORT"):
        monkeypatch.delenv(name, raising=False)

    def replace(_: str, command: list[str]) -> None:
        raise ReplacedError(command)

    def start(*arguments: str) -> object:
        addresses: list[tuple[str, int]] = []
        monkeypatch.setattr(container, "_serve", lambda *address: addresses.append(address))
        monkeypatch.setattr(container.os, "execv", replace)
        monkeypatch.setattr(sys, "argv", ["container.py", *arguments])
        monkeypatch.setattr(sys, "path", [*sys.path])
        try:
            container.main()
        except ReplacedError as replaced:
            return replaced.args[0]
        return addresses[0]

    return start


@pytest.fixture
def sources(numbers, monkeypatch) -> str:
    """Sources of an image, whose settings are unchanged."""
    return numbers()["PYTHONPATH"]


@pytest.fixture
def fail(sources, model_dir, tmp_path):
    """Run the entry point, which must fail, and return its output."""

    def run(port: int | str, **variables: str) -> str:
        own = environment(model_dir, tmp_path) | {"PYTHONPATH": sources, "PORT": str(port)} | variables
        command = entry_point(own["PYTHONPATH"].split(":")[0], 0)[:3]
        ended = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode in {1, 2}
        return ended.stdout + ended.stderr

    return run


def test_it_serves_on_all_addresses_at_port_3000(started):
    assert (ALL, 3000) == started()


def test_the_platform_sets_the_port(started, monkeypatch):
    monkeypatch.setenv("PORT", "8080")
    assert (ALL, 8080) == started()
    assert ("127.0.0.1", 4000) == started("--host", "127.0.0.1", "--port", "4000")
    assert ("::", 4000) == started("--host=::", "-p", "4000")


@pytest.mark.parametrize("arguments", [["--api-workers", "2"], ["--ssl-certfile=cert.pem"], ["--help"]])
def test_an_option_of_bentoml_starts_bentoml(started, monkeypatch, arguments):
    monkeypatch.setenv("PORT", "8080")
    expected = ["-m", "bentoml", "serve", container.BENTO, "--host", ALL, "--port", "8080", *arguments]
    assert [sys.executable, *expected] == started(*arguments)


@pytest.mark.parametrize("name", container.BENTOML_VARIABLES)
def test_a_setting_of_bentoml_starts_bentoml(started, monkeypatch, name):
    monkeypatch.setenv(name, "2")
    assert "bentoml" in started()


def test_several_workers_start_bentoml(started, monkeypatch):
    monkeypatch.setitem(SETTINGS, "workers", 2)
    assert "bentoml" in started()


def test_every_variable_of_bentoml_s_command_is_listed():
    from bentoml_cli.serve import build_serve_command  # every worker imports this file

    options = build_serve_command().commands["serve"].params
    variables = {option.envvar for option in options} - {None}
    assert set(container.BENTOML_VARIABLES) | OF_OTHERS >= variables > OF_OTHERS


def test_it_does_not_import_bentoml():
    code = "import sys, slipway.serving.single_process; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert set() == SUPERVISION & set(done.stdout.split())


def test_a_changed_model_ends_it_with_one_line(fail, model_dir, tmp_path):
    folder = shutil.copytree(model_dir, tmp_path / "model")
    with (folder / "signature.json").open("ab") as signature:
        signature.write(b"x")
    (line,) = fail(free_port(), SLIPWAY_MODEL_DIR=str(folder)).splitlines()
    assert line.startswith(f"Error: {folder}/signature.json: SHA-256 is")


def test_a_provider_that_the_machine_lacks_ends_it_with_one_line(fail, numbers):
    (line,) = fail(free_port(), PYTHONPATH=numbers(provider="CUDAExecutionProvider")["PYTHONPATH"]).splitlines()
    assert line.startswith("Error: params.yaml: serving.provider: 'CUDAExecutionProvider' is not in ONNX Runtime on ")
    assert "CPUExecutionProvider; set one of these, or " in line


def test_a_used_or_invalid_port_ends_it_with_one_line(fail):
    with socket.create_server((ALL, 0)) as listener:
        port = listener.getsockname()[1]
        (line,) = fail(port).splitlines()
    assert f"Error: {ALL}, port {port}: " in line
    assert "Address already in use" in line
    assert f"Error: {ALL}, port 70000: " in fail(70000)
    assert "invalid int value: 'http'" in fail("http")


@pytest.mark.parametrize("serve", [IMAGE], indirect=True, scope="session")
def test_it_is_one_process_and_the_cold_start_is_short(serve, model_dir, tmp_path, record_property):
    measured = []
    for _ in range(STARTS):
        start = time.monotonic()
        with serve(model_dir, tmp_path) as (_, process):
            wall, times = time.monotonic() - start, process.cpu_times()
            measured.append((wall, times.user + times.system, process.memory_info().rss / 1e6))
            assert [] == process.children()
    wall, processor, memory = (statistics.median(values) for values in zip(*measured, strict=True))
    record_property("seconds, seconds of processor time and MB", (wall, processor, memory))
    print(f"ready after {wall:.2f} s, {processor:.2f} s of processor time; {memory:.0f} MB")
    assert processor <= START_SECONDS_MAX

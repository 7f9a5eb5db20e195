"""Image of a Bento: its packages, its user, and its operation with no writable file system but /tmp.

Docker is not needed here. The instructions are read, and the command of the image runs on this machine, in the
environment of the image alone, without the rights of an administrator, on files that nobody may write.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from slipway.serving.run import free_port

from .conftest import REPOSITORY, _wait_until_ready

COMPILERS = re.compile(r"\b(apt|apt-get|apk|yum|dnf|gcc|g\+\+|build-essential|git|make)\b")
NOT_SERVED = {"pandas", "scikit-learn", "scipy", "skl2onnx", "onnx", "skops", "deepchecks", "dvc", "pyarrow", "locust"}


@pytest.fixture(scope="module")
def make(build_bento):
    """Build a Bento of the toy problem, optionally with other `docker` options."""

    def made(docker: dict | None = None) -> Path:
        options = yaml.safe_load((REPOSITORY / "bentofile.yaml").read_text())
        return build_bento(options | ({"docker": docker} if docker else {}), requirements())

    return made


def requirements() -> str:
    """Requirements that the release builder locks for an ONNX model."""
    command = ["uv", "export", "--frozen", "--no-emit-project", "--quiet", "--no-header", "--only-group", "serve"]
    return subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="module")
def bento(make) -> Path:
    return make()


def instructions(bento: Path) -> list[tuple[str, str]]:
    """Return name and arguments of each instruction of the Dockerfile, without comments and line continuations."""
    text = (bento / "env/docker/Dockerfile").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def last_stage(bento: Path) -> list[tuple[str, str]]:
    lines = instructions(bento)
    start = max(index for index, (name, _) in enumerate(lines) if name == "FROM")
    return lines[start:]


def installations(bento: Path) -> list[str]:
    """Return the commands that install a file of requirements. Raises ValueError if there is none."""
    commands = [command for name, value in instructions(bento) if name == "RUN" for command in re.split(r"&&|;", value)]
    matches = [command for command in commands if re.search(r"\binstall\b.* (-r|--requirement)\b", command)]
    if not matches:
        raise ValueError(f"{bento}: installs no requirements")
    return matches


def faults(bento: Path) -> set[str]:
    """Return the faults of an image."""
    stage = last_stage(bento)
    arguments = dict(value.split("=", 1) for name, value in instructions(bento) if name == "ARG")
    users = [value for name, value in stage if name == "USER"]
    user = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], users[-1]) if users else "root"
    present = {
        "compilers": any(COMPILERS.search(value) for name, value in instructions(bento) if name == "RUN"),
        "administrator": not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user),
        "tools of installing": any(name == "RUN" for name, _ in stage),
        "requirements without hashes": any("--require-hashes" not in command for command in installations(bento)),
    }
    return {fault for fault, is_present in present.items() if is_present}


def test_it_has_no_compilers_and_runs_as_an_unprivileged_user(bento):
    assert set() == faults(bento)


def test_the_default_image_of_bentoml_is_refused(make):
    expected = {"compilers", "administrator", "tools of installing", "requirements without hashes"}
    assert expected == faults(make({"python_version": "3.11"}))


def test_the_copied_files_are_in_the_bento(bento):
    copied = [value.split()[0] for name, value in instructions(bento) if name == "COPY" and "--from" not in value]
    assert len(copied) > 1
    assert [] == [path for path in copied if not (bento / path).exists()]


def test_each_requirement_has_a_hash_and_is_for_serving(bento):
    """Ignore the line that BentoML adds, like its first instruction."""
    (command,) = [value for name, value in instructions(bento) if name == "RUN" and "grep" in value]
    pattern = shlex.split(command)[2]
    text = subprocess.run(
        ["grep", "-vxE", pattern, str(bento / "env/python/requirements.txt")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert [] == [line for line in lines if "--hash=sha256:" not in line]
    names = [line.split("==")[0] for line in lines]
    assert len(names) == len(set(names))
    assert {"bentoml", "onnxruntime"} <= set(names)
    assert set() == NOT_SERVED & set(names)


def unprivileged() -> list[str]:
    """Command prefix that drops the capabilities of an administrator to write everywhere."""
    return ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


@pytest.fixture
def read_only(bento, tmp_path):
    """Read-only copy of the content of the image."""
    folder = tmp_path / "bento"
    folder.mkdir()
    shutil.copy(bento / "bento.yaml", folder)
    shutil.copytree(bento / "src", folder / "src")
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in paths:
        path.chmod(0o755)


def environment(bento: Path, temporary: Path) -> dict[str, str]:
    values = " ".join(value for name, value in last_stage(bento) if name == "ENV")
    own = dict(pair.split("=", 1) for pair in shlex.split(values.replace("/tmp", str(temporary))))  # noqa: S108  the image's
    return own | {"TMPDIR": str(temporary), "PATH": os.environ["PATH"], "SLIPWAY_PREDICTIONS": f"{temporary}/log"}


@pytest.mark.parametrize("is_argument", [False, True], ids=["PORT", "argument"])
def test_its_command_serves_with_only_tmp_writable(bento, read_only, tmp_path, row, is_argument):
    """The port is that of the variable PORT, as Knative and Cloud Run set it, unless an argument names another."""
    (entrypoint,) = [json.loads(value) for name, value in last_stage(bento) if name == "ENTRYPOINT"]
    command = [*unprivileged(), sys.executable, *entrypoint[1:-1], entrypoint[-1].replace("/app/bento", str(read_only))]
    (tmp_path / "tmp").mkdir()
    own = environment(bento, tmp_path / "tmp")
    touched = subprocess.run([*unprivileged(), "touch", "x"], cwd=read_only / "src", capture_output=True, check=False)
    assert touched.returncode != 0
    port = free_port()
    own |= {"PORT": "1" if is_argument else str(port)}
    with (tmp_path / "output").open("w") as output:
        arguments = ["--host", "127.0.0.1", *(["--port", str(port)] if is_argument else [])]
        process = psutil.Popen([*command, *arguments], cwd=read_only, env=own, stdout=output, stderr=output)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", process, tmp_path / "output")
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json=row)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert (200, "v1.2.3") == (answer.status_code, answer.json()["release"])
    assert 1 == len(list((tmp_path / "tmp/log").iterdir()))
    assert [] == [path for path in read_only.rglob("*") if path.name == "__pycache__"]

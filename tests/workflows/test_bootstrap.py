"""`.ci/bootstrap` selects a Python and reports a missing one; `.ci/install-uv` installs uv by hash."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from slipway.tools import TOOLS, Origin

FAILING_SHIM = "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n"
PYTHON = """#!/bin/sh
case "$2" in
  *version_info*) echo VERSION ;;
  *_base_executable*) echo "$0" ;;
  *) exit 1 ;;
esac
"""
"""A Python that cannot create a virtual environment."""
VERSIONS = re.findall(
    r'"Programming Language :: Python :: (3\.\d+)"', Path("pyproject.toml").read_text(encoding="utf-8")
)
SUPPORTED = f"Python {VERSIONS[0]} to {VERSIONS[-1]}"
TOO_OLD, TOO_NEW = "3.10", "3.15"


def of_version(version: str) -> str:
    return PYTHON.replace("VERSION", version)


@pytest.fixture
def bootstrap(tmp_path):
    """Run `.ci/bootstrap` in an empty checkout, with only the given Pythons on the PATH."""
    shutil.copytree(".ci", tmp_path / "checkout" / ".ci")
    shutil.copy("pyproject.toml", tmp_path / "checkout")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "env", "rm", "sed", "sh"):
        (tools / tool).symlink_to(shutil.which(tool))

    def run(chosen: str = "", **pythons: str) -> subprocess.CompletedProcess[str]:
        for name, content in pythons.items():
            (tools / name).write_text(content, encoding="utf-8")
            (tools / name).chmod(0o755)
        env = {name: value for name, value in os.environ.items() if name != "PYTHON"} | {"PATH": str(tools)}
        env |= {"PYTHON": chosen} if chosen else {}
        script = tmp_path / "checkout" / ".ci" / "bootstrap"
        return subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    "pythons",
    [
        {},
        {"python3": of_version(TOO_OLD)},
        {"python3": of_version(TOO_NEW)},
        {"python3": FAILING_SHIM, "python": of_version(TOO_OLD)},
    ],
)
def test_missing_python_is_reported_in_one_line(bootstrap, pythons):
    done = bootstrap(**pythons)
    expected = f"{SUPPORTED}: not found on the PATH; install one or pass its path: make PYTHON=/path/to/python3.12\n"
    assert (1, expected) == (done.returncode, done.stderr)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["python3", "python", "python{}"])
def test_every_supported_version_is_accepted(bootstrap, name, version):
    done = bootstrap(**{name.format(version): of_version(version)})
    assert 1 == done.returncode
    assert done.stderr.endswith("on Debian and Ubuntu, `sudo apt-get install python3-venv`\n")


def test_failing_shim_is_skipped(bootstrap):
    done = bootstrap(**{"python3.12": FAILING_SHIM, "python3.11": of_version("3.11")})
    assert "python3.11: cannot create a virtual environment" in done.stderr


def test_default_version_precedes_the_systems_own(bootstrap):
    installed = {"python3": of_version("3.13"), "python3.14": of_version("3.14")}
    assert "python3: cannot create a virtual environment" in bootstrap(**installed).stderr
    assert "python3.12: cannot create" in bootstrap(**installed, **{"python3.12": of_version("3.12")}).stderr


def test_selected_python_precedes_all_others(bootstrap):
    done = bootstrap(chosen="python3.14", **{"python3.12": of_version("3.12"), "python3.14": of_version("3.14")})
    assert "python3.14: cannot create a virtual environment" in done.stderr


@pytest.mark.parametrize("content", [of_version(TOO_OLD), FAILING_SHIM])
def test_unsupported_selected_python_is_reported_in_one_line(bootstrap, content):
    done = bootstrap(chosen="python-other", **{"python-other": content, "python3": of_version("3.13")})
    expected = f"PYTHON=python-other: is not {SUPPORTED}; pass another, or omit it to use one on the PATH\n"
    assert (1, expected) == (done.returncode, done.stderr)


PYTHON_WITH_UV = """#!/bin/sh
[ "$2" = uv ] && {answer}
echo "$*" >>{calls}
"""


@pytest.mark.parametrize(
    ("answer", "installs"),
    [
        ("echo 'uv PINNED (x86_64-unknown-linux-gnu)' && exit", False),
        ("echo 'uv PINNED' && exit", False),
        ("echo 'uv PINNED0' && exit", True),
        ("echo 'uv 0.1.0 (x86_64-unknown-linux-gnu)' && exit", True),
        ("exit 1", True),
    ],
)
def test_uv_is_installed_by_hash_unless_the_pinned_version_is_present(tmp_path, answer, installs):
    pinned = re.search(r"^uv==(\S+)", Path(".ci/uv.txt").read_text(encoding="utf-8"), re.MULTILINE)[1]
    python, calls = tmp_path / "python", tmp_path / "calls"
    python.write_text(PYTHON_WITH_UV.format(answer=answer.replace("PINNED", pinned), calls=calls), encoding="utf-8")
    python.chmod(0o755)
    subprocess.run([".ci/install-uv", str(python)], check=True)
    pip = "-m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r .ci/uv.txt"
    assert ([pip] if installs else []) == (calls.read_text().splitlines() if calls.exists() else [])


def test_clean_machines_have_only_the_requirements():
    (packages,) = re.findall(r"^packages=(.+)$", Path(".ci/machines").read_text(encoding="utf-8"), re.MULTILINE)
    required = {name for tool in TOOLS if tool.origin is Origin.REQUIRED for name in tool.packages.split()}
    assert required == {*packages.split(","), "python3"} - {"ca-certificates"}  # required for any download


@pytest.mark.parametrize("arguments", [[], ["-s", "setup"], ["-z", "trixie"]])
def test_clean_machines_need_a_suite(arguments):
    assert 2 == subprocess.run([".ci/machines", *arguments], capture_output=True, check=False).returncode


def test_ci_runs_every_test():
    assert "make test" == Path(".ci/run").read_text(encoding="utf-8").splitlines()[-1]

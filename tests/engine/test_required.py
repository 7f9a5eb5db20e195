"""The job `required` installs slipway without any dependency group, so it must not import anything else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

PROGRAM = "import sys; sys.modules.update(dict.fromkeys({blocked!r})); from slipway.cli import main; main()"


def with_dependencies(name: str, packages: set[str]) -> set[str]:
    """Add a package and its dependencies to `packages`, and return them."""
    if name not in packages:
        packages.add(name)
        try:
            requirements = [line for line in requires(name) or [] if "extra ==" not in line]
        except PackageNotFoundError:  # only for another platform
            return packages
        for line in requirements:
            with_dependencies(_normalize(re.match(r"[\w.-]+", line)[0]), packages)
    return packages


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def blocked() -> list[str]:
    """Return the installed modules that the job `required` does not have."""
    available = with_dependencies("slipway", set())
    return sorted(
        module
        for module, packages in packages_distributions().items()
        if not {_normalize(package) for package in packages} & available and module not in sys.stdlib_module_names
    )


def test_blocked_modules_are_those_of_the_groups():
    assert {"numpy", "pandas", "dvc"} <= set(blocked())
    assert not {"typer", "pydantic", "ruamel", "slipway", "problem"} & set(blocked())


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("fail", 2)])
def test_required_runs_without_any_group(tmp_path, outcome, code):
    Path(tmp_path / "results/report").mkdir(parents=True)
    (tmp_path / "results/report/verdict.json").write_text(json.dumps({"outcome": outcome, "title": "Why"}))
    command = [sys.executable, "-c", PROGRAM.format(blocked=blocked()), "required"]
    needs = {"NEEDS": json.dumps({"train": {"result": "success"}})}
    done = subprocess.run(command, cwd=tmp_path, env=needs, capture_output=True, text=True, check=False)
    assert code == done.returncode, done.stderr
    assert "every gate passed" in done.stdout or "blocked by the report: Why" in done.stderr

"""The job `required` installs what slipway itself depends on, and no group: it must not import more than that."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

RUN = "import sys; sys.modules.update(dict.fromkeys({blocked!r})); from slipway.cli import main; main()"


def installed_with(name: str, found: set[str]) -> set[str]:
    """Names of the packages that come with a package, itself among them."""
    if name not in found:
        found.add(name)
        try:
            needed = [line for line in requires(name) or [] if "extra ==" not in line]
        except PackageNotFoundError:  # of another system
            return found
        for line in needed:
            installed_with(_normal(re.match(r"[\w.-]+", line)[0]), found)
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def blocked() -> list[str]:
    """Modules that are here, and are not in the job `required`."""
    there = installed_with("slipway", set())
    return sorted(
        module
        for module, packages in packages_distributions().items()
        if not {_normal(package) for package in packages} & there and module not in sys.stdlib_module_names
    )


def test_what_is_blocked_is_what_the_job_does_not_have():
    assert {"numpy", "pandas", "dvc"} <= set(blocked())
    assert not {"typer", "pydantic", "ruamel", "slipway", "problem"} & set(blocked())


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("fail", 2)])
def test_required_judges_with_nothing_else_installed(tmp_path, outcome, code):
    Path(tmp_path / "results/report").mkdir(parents=True)
    (tmp_path / "results/report/verdict.json").write_text(json.dumps({"outcome": outcome, "title": "Why"}))
    command = [sys.executable, "-c", RUN.format(blocked=blocked()), "required"]
    needs = {"NEEDS": json.dumps({"train": {"result": "success"}})}
    done = subprocess.run(command, cwd=tmp_path, env=needs, capture_output=True, text=True, check=False)
    assert code == done.returncode, done.stderr
    assert "every gate passed" in done.stdout or "blocked by the report: Why" in done.stderr

"""Tests of bentofile.yaml: a release contains every first-party module that its programs import."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest
import yaml

ROOT = Path(__file__).parents[2]
INCLUDED = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["include"]
PROGRAMS = ("slipway.serving.service", "slipway.serving.canary_job")


@pytest.fixture(scope="module")
def required() -> set[str]:
    """Return the files of all modules that the programs import, with those of their packages."""
    graph = grimp.build_graph("slipway", "problem", exclude_type_checking_imports=True, cache_dir=None)
    modules = set(PROGRAMS).union(*map(graph.find_upstream_modules, PROGRAMS))
    while packages := {module.rpartition(".")[0] for module in modules if "." in module} - modules:
        modules |= packages.union(*map(graph.find_upstream_modules, packages))
    return {_file(module) for module in modules}


def _file(module: str) -> str:
    path = Path("src", *module.split("."))
    return str(path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py"))


def _missing(required: set[str], patterns: list[str]) -> set[str]:
    return required - {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}


def test_a_release_contains_every_module_that_its_programs_import(required):
    assert set() == _missing(required, INCLUDED)


def test_a_missing_module_is_detected(required):
    patterns = [pattern for pattern in INCLUDED if "verdict" not in pattern]
    assert {"src/slipway/gates/verdict.py"} == _missing(required, patterns)

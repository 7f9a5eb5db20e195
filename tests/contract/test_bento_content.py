"""Tests of bentofile.yaml: a release contains every first-party module that its programs import."""

from __future__ import annotations

import pytest
import yaml

from tests.imports import ROOT, file_of, graph

INCLUDED = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["include"]
PROGRAMS = tuple(f"slipway.serving.{name}" for name in ("service", "canary_job", "container", "aws_lambda"))


@pytest.fixture(scope="module")
def required() -> set[str]:
    """Return the files of all modules that the programs import, with those of their packages."""
    modules = set(PROGRAMS).union(*map(graph().find_upstream_modules, PROGRAMS))
    while packages := {module.rpartition(".")[0] for module in modules if "." in module} - modules:
        modules |= packages.union(*map(graph().find_upstream_modules, packages))
    return {str(file_of(module)) for module in modules}


def _missing(required: set[str], patterns: list[str]) -> set[str]:
    return required - {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}


def test_a_release_contains_every_module_that_its_programs_import(required):
    assert set() == _missing(required, INCLUDED)


def test_a_missing_module_is_detected(required):
    patterns = [pattern for pattern in INCLUDED if "verdict" not in pattern]
    assert {"src/slipway/gates/verdict.py"} == _missing(required, patterns)

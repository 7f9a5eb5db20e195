"""Tests of dvc.yaml: a stage depends on the first-party modules that its module imports, and on no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from slipway.settings import Settings
from tests.imports import ROOT, file_of, graph

if TYPE_CHECKING:
    from pathlib import Path

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


def _module(stage: str) -> str:
    words = STAGES[stage]["cmd"].split()
    return words[words.index("-m") + 1]


def _missing(stage: str, deps: list[str]) -> set[str]:
    module = _module(stage)
    imported = {module, *graph().find_upstream_modules(module)}
    files = {file_of(name) for name in imported}
    non_empty = {file for file in files if file.name != "__init__.py" or not _only_docs(ROOT / file)}
    return {str(file) for file in non_empty if not any(file.is_relative_to(dep) for dep in deps)}


def _only_docs(init: Path) -> bool:
    return "import" not in init.read_text()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_first_party_module_that_it_imports(stage):
    assert set() == _missing(stage, STAGES[stage]["deps"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_missing_dependency_is_detected(stage):
    own = str(file_of(_module(stage)))
    assert own in _missing(stage, [dep for dep in STAGES[stage]["deps"] if dep != own])


PROGRAMS = {"src/slipway/checks/deepchecks_runner.py"}
"""Modules that a stage does not import but starts, in another environment."""
NEVER_IMPORTED = {"__init__.py", "__main__.py"}


def _unused(stage: str, deps: list[str]) -> set[str]:
    """Return the modules of the engine in `deps`, also in its folders, that the stage does not import."""
    module = _module(stage)
    imported = {str(file_of(name)) for name in {module, *graph().find_upstream_modules(module)}}
    paths = [ROOT / dep for dep in deps if dep.startswith("src/slipway/")]
    files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    listed = {file.relative_to(ROOT).as_posix() for file in files if file.name not in NEVER_IMPORTED}
    return listed - imported - PROGRAMS


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_module_that_it_does_not_import(stage):
    assert set() == _unused(stage, STAGES[stage]["deps"])


def test_a_folder_of_which_a_stage_imports_a_part_is_detected():
    assert "src/slipway/gates/canary.py" in _unused("data", [*STAGES["data"]["deps"], "src/slipway/gates"])


@pytest.mark.parametrize("stage", STAGES)
def test_every_dependency_exists_or_is_the_output_of_another_stage(stage):
    outs = [
        next(iter(out)) if isinstance(out, dict) else out for other in STAGES.values() for out in other.get("outs", [])
    ]
    assert [] == [
        dep for dep in STAGES[stage]["deps"] if not (ROOT / dep).exists() and dep not in outs and dep != "data"
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_every_parameter_of_a_stage_exists(stage):
    names = STAGES[stage].get("params", [])
    assert [] == [name for name in names if name.split(".")[0] not in PARAMS]


OPEN_SECTIONS = ("model", "split")


def _untyped(stage: str, deps: list[str]) -> set[str]:
    """Return the open sections that the stage uses without a dependency on the file with their types."""
    used = {name.split(".")[0] for name in STAGES[stage].get("params", [])}
    return {name for name in used.intersection(OPEN_SECTIONS) if f"build/parameters/{name}.yaml" not in deps}


def test_the_open_sections_are_those_without_a_model():
    assert set(OPEN_SECTIONS) == {
        name
        for name, field in Settings.model_fields.items()
        if not field.description and not hasattr(field.annotation, "model_fields")
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_types_of_open_parameters(stage):
    assert set() == _untyped(stage, STAGES[stage]["deps"])


@pytest.mark.parametrize(("stage", "section"), [("prepare", "split"), ("train", "model")])
def test_an_open_section_without_its_types_is_detected(stage, section):
    assert {section} == _untyped(stage, [dep for dep in STAGES[stage]["deps"] if "parameters" not in dep])

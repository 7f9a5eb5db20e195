"""Mutants of a small package: a weak test lets one survive, a strong one kills all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from slipway import cli
from slipway.errors import GateError, SettingError, ToolError
from slipway.lab import commands
from slipway.lab.mutation import mutation_score, source_mutants
from slipway.lab.mutation.mutation_score import Area, PreloadedTests

SOURCE = """\
def is_above(value, limit):
    return value > limit


def unused(number):
    return number + 1
"""
WEAK = """\
from sample import limits

def test_is_above(): assert limits.is_above(2, 1)
"""
STRONG = """\
def test_the_limit_is_not_above(): assert not limits.is_above(1, 1)
def test_unused(): assert limits.unused(1) == 2
"""
INI = "[pytest]\naddopts = --disable-plugin-autoload\n"
AREA = {"sample": Area(("src/sample",), ("tests/test_*.py",))}


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = {"src/sample/__init__.py": "", "src/sample/limits.py": SOURCE, "pytest.ini": INI}
    for name, text in (files | {"tests/test_limits.py": WEAK}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def outcomes(document: Path = Path("results/mutants/mutants.json")) -> dict[str, set[str]]:
    """Return the outcomes of the mutants of each function."""
    trials = json.loads(document.read_text())["trials"]
    functions = {trial["function"] for trial in trials}
    return {name: {trial["outcome"] for trial in trials if trial["function"] == name} for name in functions}


def test_a_weak_test_lets_a_mutant_survive_and_a_strong_one_kills_it(package, capsys):
    assert not mutation_score.run(AREA, seed=1, count=99, floor=1)
    weak = outcomes()
    assert "survived" in weak["is_above"]
    assert {"no test"} == weak["unused"]
    survivors = Path("results/mutants/survivors.md").read_text()
    assert "## `src/sample/limits.py:2` is_above" in survivors
    assert "-    return value > limit\n+    return value >= limit" in survivors
    assert "sample 1/" in capsys.readouterr().err
    (package / "tests/test_limits.py").write_text(WEAK + STRONG)
    assert mutation_score.run(AREA, seed=1, count=99, floor=1)
    assert {"killed"} == set.union(*outcomes().values())
    assert SOURCE == (package / "src/sample/limits.py").read_text()


def test_an_endless_mutant_ends_at_the_time_limit_and_the_next_one_runs(package, tmp_path):
    with PreloadedTests(package, tmp_path) as server:
        assert 0 == server.run(["tests/test_limits.py"], 60)
        (package / "src/sample/limits.py").write_text("def is_above(value, limit):\n    while True: pass\n")
        assert server.run(["tests/test_limits.py"], 1) is None
        (package / "src/sample/limits.py").write_text(SOURCE)
        assert 0 == server.run(["tests/test_limits.py"], 60)


def test_a_test_that_fails_without_a_mutation_is_reported(package):
    (package / "tests/test_limits.py").write_text(WEAK + "def test_wrong(): assert limits.is_above(1, 2)\n")
    with pytest.raises(GateError, match=r"(?s)tests fail without a mutation \(exit code 1\).*test_wrong"):
        mutation_score.run(AREA, seed=1, count=1, floor=0)


def test_the_same_seed_draws_the_same_mutants(package):
    draws = [source_mutants.draw(package, ["src/sample"], seed, 2) for seed in (1, 1, 2, 3, 4)]
    assert draws[0] == draws[1]
    assert 1 < len({tuple(mutants) for mutants, _ in draws})
    assert all(2 == len(mutants) < population for mutants, population in draws)


def test_without_mutmut_the_command_names_the_group(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "mutmut.mutation.file_mutation", None)
    with pytest.raises(ToolError, match="uv sync --frozen --group mutants"):
        source_mutants.draw(package, ["src/sample"], 1, 3)


def test_an_unknown_area_is_rejected():
    with pytest.raises(SettingError, match="--area: doors is none of gates, evaluation, reconcile, report"):
        commands.mutants(seed=0, count=1, area=["doors"], floor=0)


@pytest.mark.parametrize(("reached", "code"), [(True, 0), (False, 1)])
def test_a_score_below_the_floor_is_exit_code_1(monkeypatch, reached, code):
    monkeypatch.setattr(mutation_score, "run", lambda *_: reached)
    assert code == CliRunner().invoke(cli.app, ["mutants", "--floor", "0.5"]).exit_code


@pytest.mark.parametrize("name", mutation_score.AREAS)
def test_every_area_has_its_sources_and_tests(name):
    area = mutation_score.AREAS[name]
    assert [] == [path for path in area.sources if not Path(path).exists()]
    assert [] == [pattern for pattern in area.tests if not [*Path().glob(pattern)]]

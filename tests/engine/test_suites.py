"""Every test belongs to one suite, the longest files run first, and a test has a time limit."""

from __future__ import annotations

import ast
import gc
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from slipway import yaml12
from slipway.pull_request import engine
from slipway.pull_request.jobs import QUICK_TESTS, SLOW_TESTS
from tests import suites

FILES = [str(path) for path in Path("tests").rglob("test_*.py")]
PROGRAM = """
import pytest

@pytest.fixture
def limit(request):
    return request.node.get_closest_marker("timeout").args[0]

def test_limit(limit):
    assert limit == {limit}
"""


def test_every_place_of_a_suite_exists_and_each_suite_has_files():
    forks = "tests/problem" if (suites.ROOT / engine.LOCK).exists() else None  # a fork may have no slow tests
    places = [place for place in suites.LOOP if not forks or not place.startswith(forks)]
    assert [] == [place for place in places if not (suites.ROOT / place).exists()]
    assert set(suites.NAMES) == set(Counter(map(suites.suite, FILES)))


def test_the_suite_unit_is_what_the_job_test_runs():
    quick = {file for file in FILES if any(file == place or file.startswith(f"{place}/") for place in QUICK_TESTS)}
    slow = {file for file in FILES if any(file == place or file.startswith(f"{place}/") for place in SLOW_TESTS)}
    assert quick - slow == {file for file in FILES if suites.suite(file) == "unit"}


def test_longest_files_run_first_and_short_ones_after_unknown_ones():
    measured = {"tests/unit/test_git.py": 1.0, "tests/unit/test_files.py": 9.0}
    new = ["tests/service/test_bento.py", "tests/power/test_canary.py"]
    assert [*reversed(new), "tests/unit/test_files.py", "tests/unit/test_git.py"] == suites.in_order(
        [*measured, *new], measured
    )


def test_a_new_clone_begins_with_the_files_that_are_expected_to_take_longest():
    forks = "tests/problem" if (suites.ROOT / engine.LOCK).exists() else None  # a fork may have no slow tests
    expected = [file for file in suites.EXPECTED_SECONDS if not forks or not file.startswith(forks)]
    assert expected == suites.in_order(FILES, {})[: len(expected)]
    recorded = {"tests/workflows/test_demo.py": 1.0}
    assert "tests/workflows/test_demo.py" == suites.in_order(suites.EXPECTED_SECONDS, recorded)[-1]


def run(folder: Path, *options: str, limits: str = "suites.SECONDS_MAX") -> subprocess.CompletedProcess[str]:
    """Run pytest with the plugin on a repository of its own, in which a file of each of two suites has one test."""
    for name, suite in (("unit/test_a.py", "unit"), ("service/test_b.py", "integration")):
        file = folder / "tests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PROGRAM.format(limit=suites.SECONDS_MAX[suite]), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "conftest.py").write_text(
        "from pathlib import Path\nfrom tests_of_slipway import suites\n"
        "def pytest_addoption(parser): parser.addoption('--suite', choices=suites.NAMES)\n"
        "def pytest_configure(config):\n"
        f"    suites.ROOT, suites.SECONDS_MAX = Path(__file__).parent, {limits}\n"
        "    config.pluginmanager.register(suites.Suites(config))\n",
        encoding="utf-8",
    )
    (folder / "tests_of_slipway").mkdir(exist_ok=True)
    (folder / "tests_of_slipway/suites.py").write_bytes((suites.ROOT / "tests/suites.py").read_bytes())
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:xdist", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("options", "ran"), [((), ["a", "b"]), (("--suite=unit",), ["a"]), (("--suite=loop",), [])])
def test_suite_selects_its_files_and_each_test_has_the_limit_of_its_suite(tmp_path, options, ran):
    output = run(tmp_path, *options).stdout
    assert ran == sorted(name for name in "ab" if f"test_{name}.py::test_limit" in output)
    assert "failed" not in output


def test_a_test_that_exceeds_the_limit_of_its_suite_fails_with_the_reason(tmp_path):
    for name in ("unit/test_slow.py", "delivery/test_slow_too.py", "browser/test_slow_there.py"):
        (tmp_path / "tests" / name).parent.mkdir(parents=True)
        (tmp_path / "tests" / name).write_text("import time\ndef test_slow(): time.sleep(1.5)\n", encoding="utf-8")
    done = run(tmp_path, "-k", "slow", limits="{'unit': 0.5, 'integration': 1}")
    assert 1 == done.returncode
    assert "FAILED tests/unit/test_slow.py::test_slow - Failed: Timeout (>0.5s)" in done.stdout
    assert "A test of the suite unit may take 0.5 s with its fixtures." in done.stdout
    assert "A test of the suite integration may take 1 s with its fixtures." in done.stdout
    assert "2 failed, 1 passed" in done.stdout


def test_durations_are_kept_for_the_next_run(tmp_path):
    run(tmp_path)
    kept = (tmp_path / ".pytest_cache/v/slipway/durations").read_text(encoding="utf-8")
    assert '"tests/unit/test_a.py"' in kept
    assert '"tests/service/test_b.py"' in kept


def test_tests_use_bytecode_where_a_container_forbids_it():
    command = ["make", "--silent", "--eval=print: ; @printenv PYTHONDONTWRITEBYTECODE || echo unset", "print"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=suites.ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "unset\n" == done.stdout


def test_collected_tests_are_exempt_from_garbage_collection():
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(sys.modules)


def test_a_test_may_change_what_it_reads_from_yaml():
    text = "section: {values: [1, 2]}"
    yaml12.parse_mapping(text)["section"]["values"].append(3)
    assert {"section": {"values": [1, 2]}} == yaml12.parse_mapping(text)


def _unordered(source: str) -> list[str]:
    """Return the values of `parametrize` that are sets: workers would collect them in different orders, and stop."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and len(node.args) > 1)
    values = (
        node.args[1] for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "parametrize"
    )
    return [ast.unparse(value) for value in values if _is_set(value)]


def _is_set(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return isinstance(value.op, ast.Sub | ast.BitAnd | ast.BitOr | ast.BitXor)
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in {"set", "frozenset"}
    return isinstance(value, ast.Set | ast.SetComp)


def test_every_worker_collects_parameters_in_the_same_order():
    files = [*Path("tests").rglob("test_*.py")]
    assert files
    assert [] == [(str(file), value) for file in files for value in _unordered(file.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("values", ["{1, 2}", "{x for x in y}", "set(y)", "a.keys() - b.keys()"])
def test_unordered_parameters_are_detected(values):
    assert [values] == _unordered(f"@pytest.mark.parametrize('x', {values})\ndef test(x): ...")
    assert [] == _unordered(f"@pytest.mark.parametrize('x', sorted({values}))\ndef test(x): ...")

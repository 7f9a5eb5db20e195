"""The three suites of the tests, their order, and the time that a test may take.

- `unit`: the quick tests that the job `test` runs;
- `integration`: services, agents and workflows, each started as a user starts it;
- `loop`: kills, forks, power, browsers and the whole demo.

`make test` runs all of them, and `make test SUITE=unit` one. Files run in the order of their last recorded durations,
longest first, so that no worker is left alone with a long one. A new clone has recorded none, and follows
EXPECTED_SECONDS.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slipway.pull_request.jobs import QUICK_TESTS, SLOW_TESTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
LOOP = (
    *("tests/browser", "tests/power", "tests/problem/slow"),
    *(f"tests/delivery/test_{name}.py" for name in ("drill", "killed_agent")),
    *(f"tests/engine/test_{name}.py" for name in ("forks", "tune")),
    "tests/monitoring/test_replay.py",
    "tests/pipeline/test_recovery.py",
    *(f"tests/workflows/test_{name}.py" for name in ("demo", "fork")),
)
"""Files and folders of the suite `loop`."""

EXPECTED_SECONDS = {
    "tests/workflows/test_demo.py": 729,
    "tests/engine/test_forks.py": 400,
    "tests/workflows/test_deploy.py": 250,
    "tests/pipeline/test_recovery.py": 200,
    "tests/problem/slow/test_data_checks.py": 160,
    "tests/workflows/test_jobs.py": 160,
    "tests/service/test_fuzz.py": 150,
    "tests/service/test_served_image.py": 150,
    "tests/workflows/test_comment.py": 150,
    "tests/workflows/test_fork.py": 140,
    "tests/delivery/test_bento.py": 140,
    "tests/service/test_stopping.py": 140,
    "tests/delivery/test_follower.py": 110,
    "tests/delivery/test_rollout.py": 110,
    "tests/delivery/test_store.py": 110,
    "tests/delivery/test_healing.py": 100,
    "tests/pipeline/test_poison.py": 100,
    "tests/delivery/test_killed_agent.py": 90,
    "tests/problem/slow/test_monitoring.py": 90,
    "tests/delivery/test_canary.py": 90,
    "tests/engine/test_tune.py": 80,
    "tests/monitoring/test_replay.py": 70,
    "tests/power/test_canary.py": 70,
    "tests/problem/slow/test_first_pull_request.py": 70,
    "tests/delivery/test_agent.py": 70,
}
"""Seconds of the longest files, on two cores with four workers, for a clone that has recorded none."""

UNKNOWN_SECONDS = 20
"""Seconds of a file without an expected or a recorded duration."""

SECONDS_MAX = {"unit": 120, "integration": 600}
"""Time limit of a test with its fixtures; a test of the loop has that of pyproject.toml, or its own."""

NAMES = ("loop", "integration", "unit")
"""The suites, slowest first, which is also the order of files without a duration."""

TIMED_OUT = "from pytest-timeout"
"""End of the message of a test that exceeds its limit."""

CACHE_KEY = "slipway/durations"
"""Seconds of each file in pytest's cache."""


def suite(file: str) -> str:
    """Return the suite of a test file, given by its path in the repository."""
    if _is_in(file, LOOP):
        return "loop"
    return "unit" if _is_in(file, QUICK_TESTS) and not _is_in(file, SLOW_TESTS) else "integration"


def _is_in(file: str, places: Iterable[str]) -> bool:
    return any(file == place or file.startswith(f"{place}/") for place in places)


def file_of(node: str) -> str:
    """Return the path in the repository of a test, given by its id."""
    return node.partition("::")[0]


def in_order(files: Iterable[str], seconds: Mapping[str, float]) -> list[str]:
    """Return files by their last or expected durations, longest first; those without one are in order of suites."""
    expected = {**EXPECTED_SECONDS, **seconds}
    return sorted(files, key=lambda file: (-expected.get(file, UNKNOWN_SECONDS), NAMES.index(suite(file)), file))


def is_selective(config: pytest.Config) -> bool:
    """Return whether tests are selected by name or marker, so that files may run in part."""
    named = any("::" in argument for argument in config.args)
    return bool(named or config.getoption("keyword") or config.getoption("markexpr"))


class Suites:
    """The plugin: selects a suite, orders files, sets time limits and records durations."""

    def __init__(self, config: pytest.Config) -> None:
        self.selected = config.getoption("--suite")
        self.cache = getattr(config, "cache", None)  # None under `-p no:cacheprovider`
        self.recorded: dict[str, float] = {}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Skip the files of other suites."""
        if self.selected is None or collection_path.suffix != ".py":
            return None
        return True if suite(str(collection_path.relative_to(ROOT))) != self.selected else None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order files by duration, and limit the time of each test that has no limit of its own."""
        files = list(dict.fromkeys(file_of(item.nodeid) for item in items))
        seconds = self.cache.get(CACHE_KEY, {}) if self.cache else {}
        position = {file: place for place, file in enumerate(in_order(files, seconds))}
        items.sort(key=lambda item: position[file_of(item.nodeid)])
        for item in items:
            limit = SECONDS_MAX.get(suite(file_of(item.nodeid)))
            if limit and not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(limit))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Explain the time limit of a suite to the author of a test that exceeds it."""
        report = yield
        name, limit = suite(file_of(item.nodeid)), item.get_closest_marker("timeout")
        if limit and call.excinfo and TIMED_OUT in str(call.excinfo.value):
            text = (
                f"A test of the suite {name} may take {limit.args[0]} s with its fixtures. Make it faster, give it a"
                " limit of its own (@pytest.mark.timeout), or move its file to LOOP in tests/suites.py."
            )
            report.sections.append(("Time limit", text))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the duration of a phase of a test to that of its file."""
        file = file_of(report.nodeid)
        self.recorded[file] = self.recorded.get(file, 0.0) + report.duration

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the durations, unless this process is a worker, or tests were selected by name."""
        if self.cache and not is_selective(session.config) and not hasattr(session.config, "workerinput"):
            rounded = {file: round(seconds, 1) for file, seconds in self.recorded.items()}
            self.cache.set(CACHE_KEY, self.cache.get(CACHE_KEY, {}) | rounded)

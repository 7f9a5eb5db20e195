"""Configuration of all tests.

A test that runs a program of `slipway.tools` requests it here, and is skipped if the program is missing:

    @pytest.mark.tool("kubectl")              # the test or the code under test calls it by name
    def test_x(tool): tool("promtool")        # returns its path, also in fixtures of any scope

With `CI=true` the test fails instead, except under act, which sets that variable on a laptop as well. The run ends with
a line for each missing program.
"""

from __future__ import annotations

import copy
import functools
import gc
import importlib
import os
import sys
import types
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from slipway import tools, yaml12
from tests import page_readers, suites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Set before OpenMP is loaded, so that waiting threads do not spin while other tests need the processor.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

URL_GRAMMAR = "rfc3987_syntax"


@functools.cache
def _url_grammar() -> types.ModuleType:
    """Return the package that compiles a grammar of URLs when it is imported, which takes two seconds."""
    del sys.modules[URL_GRAMMAR]
    return importlib.import_module(URL_GRAMMAR)


def _add_url_grammar() -> None:
    """Let jsonschema, which many tests import, load the grammar when a schema first needs it."""
    sys.modules[URL_GRAMMAR] = on_first_use = types.ModuleType(URL_GRAMMAR)
    on_first_use.is_valid_syntax = lambda term, text: _url_grammar().is_valid_syntax(term, text)


if URL_GRAMMAR not in sys.modules:
    _add_url_grammar()

_parsed = functools.lru_cache(maxsize=32)(yaml12.parse)


def _parse(text: str) -> Any:
    """Return a copy of the content of `text`, because 30 files read params.yaml when they are imported."""
    return copy.deepcopy(_parsed(text))


yaml12.parse = _parse

# The duration of a single case depends on the load of the machine; benchmarks are separate commands.
hypothesis.settings.register_profile("slipway", deadline=None)
hypothesis.settings.load_profile("slipway")


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Return the path of a program by its name in `slipway.tools`, or skip the test."""
    return require_tool


def require_tool(name: str) -> str:
    """Return the path of the program `name`. Skip the test without it, or fail the test on a CI server."""
    program = tools.named(name)
    if path := program.find():
        return path
    if os.environ.get("CI") == "true" and "ACT" not in os.environ:
        pytest.fail(program.missing, pytrace=False)
    pytest.skip(program.missing)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--suite`."""
    parser.addoption("--suite", choices=suites.NAMES, help="run one suite of tests/suites.py only")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `tool` and the plugins of this repository."""
    config.pluginmanager.register(suites.Suites(config), "slipway-suites")
    config.pluginmanager.register(page_readers.PageReaders(suites.ROOT), "slipway-page-readers")
    config.addinivalue_line("markers", "tool(*names): programs of slipway.tools without which the test is skipped")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Exempt modules and collected tests from garbage collection, which would visit a million objects each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marker names a program that is missing, before its fixtures are set up."""
    for marker in item.iter_markers("tool"):
        for name in marker.args:
            require_tool(name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """End the output with one line for each missing program: its tests, and the package to install."""
    result = yield
    kinds = ("skipped", "failed", "error")
    reasons = [_reason(report) for kind in kinds for report in terminalreporter.stats.get(kind, ())]
    for optional in tools.OPTIONAL:
        if count := reasons.count(optional.missing):
            terminalreporter.write_line(f"Not tested: {optional.tests} ({count} tests). {optional.missing}")
    return result


def _reason(report: pytest.TestReport) -> str:
    """Return why a test was skipped or failed."""
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else report.longreprtext

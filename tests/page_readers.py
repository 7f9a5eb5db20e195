"""Which tests run where only pages change, and a check that they are all that read a page.

`slipway test` runs DOCUMENTATION_TESTS then, and names the changed pages in CHANGED_PAGES. A test with a parameter
`page` judges that page alone, so it runs only if that page changed.

The plugin observes every file that the process of a test opens, and every folder that it lists. A test that only names
a page, or that lists the files of git, is found by tests/unit/test_documentation_only.py.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from slipway.pull_request.jobs import CHANGED_PAGES, DOCUMENTATION_TESTS, WORDS
from tests.suites import file_of, suite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENTS = {"open", "os.listdir", "os.scandir"}
"""Audit events of Python whose first argument is a path."""


class PageReaders:
    """The plugin: `root` is the folder of the repository."""

    def __init__(self, root: Path) -> None:
        self.root = f"{root}{os.sep}"
        self.imported: dict[str, set[str]] = {}
        """Pages that the import of each test file read."""
        self.read: set[str] | None = None
        """Pages that the current test or import read."""
        sys.addaudithook(self._observe)

    def _observe(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS and self.read is not None and isinstance(arguments[0], str | os.PathLike):
            path = os.path.abspath(arguments[0])  # noqa: PTH100 - `resolve` reads links
            if path.startswith(self.root) and is_page(path.removeprefix(self.root)):
                self.read.add(path.removeprefix(self.root))

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect the tests of pages that did not change."""
        changed = os.environ.get(CHANGED_PAGES, "").splitlines()
        unchanged = [item for item in items if changed and page_of(item) not in {None, *changed}]
        items[:] = [item for item in items if item not in unchanged]
        config.hook.pytest_deselected(items=unchanged)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        """Observe the import of a test file."""
        if not isinstance(collector, pytest.Module):
            return (yield)
        self.read = self.imported[file_of(collector.nodeid)] = set()
        try:
            return (yield)
        finally:
            self.read = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        """Observe a test and its fixtures."""
        self.read = set()
        try:
            return (yield)
        finally:
            self.read = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Fail a test that reads a page, and would not run where only that page changes."""
        result = yield
        file, page, read = file_of(item.nodeid), page_of(item), self.read or set()
        pages = read | self.imported.get(file, set())
        if pages and suite(file) == "unit" and file not in {*DOCUMENTATION_TESTS, WORDS}:
            pytest.fail(
                f"{file} reads {', '.join(sorted(pages))}, but does not run where only pages change;"
                " move the test to a file of DOCUMENTATION_TESTS in slipway.pull_request.jobs",
                pytrace=False,
            )
        if page and (others := read - {page}):
            pytest.fail(f"reads {', '.join(sorted(others))} as well; rename its parameter `page`", pytrace=False)
        return result


def page_of(item: pytest.Item) -> str | None:
    """Return the page that a test judges, its parameter `page`; None if it may read any page."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params["page"]) if callspec and "page" in callspec.params else None


def is_page(path: str) -> bool:
    """Return whether a path in the repository is a page or asset of the documentation, or their folder."""
    return path == "docs" or path.startswith("docs/") or ("/" not in path and path.endswith(".md"))

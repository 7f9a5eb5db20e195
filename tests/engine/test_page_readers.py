"""A test that reads a page runs where that page changes, and one that would not is reported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slipway.pull_request import jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFTEST = """\
from pathlib import Path
from tests import page_readers

def pytest_configure(config):
    config.pluginmanager.register(page_readers.PageReaders(Path(__file__).parent))
"""
NAME = 'Path("/".join(["docs", "a" + ".md"]))'
"""A page whose name is in no string."""
READERS = {
    "test": f"def test(): assert {NAME}.read_text()",
    "import": f"PAGE = {NAME}.read_text()\ndef test(): assert PAGE",
    "fixture": f"@pytest.fixture\ndef page(): return {NAME}.read_bytes()\ndef test(page): assert page",
    "list": 'def test(): assert list(Path("do" + "cs").iterdir())',
    "root": 'def test(): assert Path("README" + ".md").read_text()',
}
PER_PAGE = """\
@pytest.mark.parametrize("page", ["docs/a.md", "docs/b.md", "docs/" + "c.md"])
def test_page(page): assert Path(page).read_text()

def test_all(): assert True
"""


def run(folder: Path, sources: Mapping[str, str], changed: str = "") -> tuple[int, str]:
    """Run test files in a repository with four pages, and return pytest's exit code and output."""
    for page in ("docs/a.md", "docs/b.md", "docs/c.md", "README.md"):
        (folder / page).parent.mkdir(exist_ok=True)
        (folder / page).write_text("# A page\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(CONFTEST)
    for file, source in sources.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"from pathlib import Path\nimport pytest\n{source}\n")
    variables = os.environ | {"PYTHONPATH": str(Path.cwd()), jobs.CHANGED_PAGES: changed}
    options = ["-q", "-rA", "--disable-plugin-autoload", "--import-mode=importlib", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *sources]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_quick_test_that_would_not_run_after_a_change_of_its_page_fails(tmp_path):
    code, output = run(tmp_path, {f"tests/unit/test_{name}.py": source for name, source in READERS.items()})
    assert 1 == code
    page = {"list": "docs", "root": "README.md"}
    for name in READERS:
        assert f"test_{name}.py reads {page.get(name, 'docs/a.md')}, but does not run where only pages change" in output
    assert "5 failed" in output


def test_a_reader_that_runs_then_or_reads_no_page_passes(tmp_path):
    files = [jobs.DOCUMENTATION_TESTS[0], jobs.WORDS, "tests/service/test_new.py"]
    own = 'def test(tmp_path):\n    (tmp_path / "README.md").write_text("x")\n    assert Path(__file__).read_text()'
    code, output = run(tmp_path, {**dict.fromkeys(files, READERS["test"]), "tests/unit/test_new.py": own})
    assert (0, True) == (code, "4 passed" in output)


@pytest.mark.parametrize(
    ("changed", "selected"),
    [("", ["docs/a.md", "docs/b.md", "docs/c.md"]), ("docs/b.md\nREADME.md", ["docs/b.md"]), ("README.md", [])],
)
def test_a_test_of_one_page_runs_if_its_page_changed(tmp_path, changed, selected):
    code, output = run(tmp_path, {jobs.DOCUMENTATION_TESTS[0]: PER_PAGE}, changed)
    assert 0 == code
    assert selected == re.findall(r"PASSED .*test_page\[(.*)\]", output)
    assert "::test_all" in output


def test_a_test_of_one_page_that_reads_another_fails(tmp_path):
    source = '@pytest.mark.parametrize("page", ["docs/a.md"])\ndef test(page): assert Path("docs/b.md").read_text()'
    code, output = run(tmp_path, {jobs.DOCUMENTATION_TESTS[0]: source})
    assert 1 == code
    assert "reads docs/b.md as well; rename its parameter `page`" in output

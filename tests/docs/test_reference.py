"""What pages list of the engine (programs, errors, parameters, Python versions) is what the engine has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from slipway import errors, tools
from slipway.errors import UserError
from slipway.local import parameters_page
from slipway.pull_request import engine
from slipway.yaml12 import parse_mapping
from tests.docs import pages
from tests.params import PARAMS

SUPPORTED = f"Python {tools.supported_python()}"
VALUE = re.compile(r"(?<= \| )[^|]*(?= \| [^|]* \|$)", re.MULTILINE)
"""The cell before the last one of a row of the parameters page."""


def text(path: str | Path) -> str:
    return Path(path).read_text(encoding="utf-8")


def test_readme_lists_the_programs():
    lines = text("README.md").splitlines()
    start = lines.index("| Tool | Command | Package of Debian or PyPI | Needed by | Not tested without it |") + 2
    assert [f"| {' | '.join(row)} |" for row in tools.table()] == lines[start : start + len(tools.table())]
    assert "" == lines[start + len(tools.table())]


def test_operations_lists_every_error_class_with_its_meaning():
    classes = {cls.__name__: cls.__doc__ for cls in UserError.__subclasses__() if cls.__module__ == errors.__name__}
    section = text("docs/operations.md").partition("## Errors and exit codes")[2]
    rows = dict(re.findall(r"^\| `(\w+Error)` \| (.+?) \|$", section, re.MULTILINE))
    assert {name: meaning.splitlines()[0].rstrip(".") for name, meaning in classes.items()} == rows


def test_the_parameters_page_is_up_to_date():
    """In a fork, the page still has the values of the template."""
    page, rendered = text(parameters_page.PAGE), parameters_page.render(parse_mapping(text(PARAMS)))
    if (PARAMS.parent / engine.LOCK).exists():
        page, rendered = VALUE.sub("", page), VALUE.sub("", rendered)
    assert rendered == page, "run `slipway docs --parameters`"


# --- versions ---


def test_image_in_the_docs_has_the_default_python():
    default = yaml.safe_load(text(".github/actions/setup/action.yml"))["inputs"]["python"]["default"]
    assert {default} == set(re.findall(r"python:(3\.\d+)-slim", text("docs/service.md")))


@pytest.mark.parametrize("path", ["Makefile", "README.md", "docs/first-pull-request.md"])
def test_documentation_has_the_supported_range(path):
    assert SUPPORTED in text(path)


@pytest.mark.parametrize("page", [Path("Makefile"), *pages.PAGES], ids=str)
def test_no_page_has_another_range(page):
    ranges = re.findall(r"Python 3\.\d+(?: or| to) (?:Python )?3\.\d+", text(page))
    assert set(ranges) <= {SUPPORTED}


def test_newest_version_has_an_entry_in_the_changelog():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    headings = re.findall(r"^## (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert project["version"] == next(heading for heading in headings if heading != "Unreleased")


# --- files ---


@pytest.mark.parametrize("path", ["CONTRIBUTING.md", "SECURITY.md"])
def test_community_page_exists(path):
    assert text(path).strip()


@pytest.mark.parametrize("page", [*pages.PAGES, Path("CHANGELOG.md")], ids=str)
def test_lines_of_a_page_end_with_line_feeds(page):
    """A committed carriage return differs from every clone; see .gitattributes."""
    assert b"\r" not in page.read_bytes()

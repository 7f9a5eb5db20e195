"""What GitHub and editors show to newcomers is there, and of the form that they read."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from slipway.jobs import run_tool

TEMPLATES = Path(".github/ISSUE_TEMPLATE")
APACHE = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # SHA-256 of Apache's own text


def valid(schema: str, *files: Path) -> bool:
    code, _ = run_tool(["check-jsonschema", "--builtin-schema", schema, *map(str, files)])
    return code == 0


def test_forms_of_issues_are_those_that_github_shows():
    assert valid("vendor.github-issue-forms", *(path for path in TEMPLATES.glob("*.yml") if path.stem != "config"))
    assert valid("vendor.github-issue-config", TEMPLATES / "config.yml")


def test_a_form_that_github_would_not_show_is_found(tmp_path):
    form = tmp_path / "fault.yml"
    form.write_text((TEMPLATES / "fault.yml").read_text().replace("type: textarea", "type: novel", 1))
    assert not valid("vendor.github-issue-forms", form)


def test_the_licence_is_the_one_that_the_package_names():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ("Apache-2.0", APACHE) == (project["license"], hashlib.sha256(Path("LICENSE").read_bytes()).hexdigest())


def test_the_newest_version_has_an_entry_among_the_changes():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    headings = re.findall(r"^## (.+)$", Path("CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert project["version"] == next(heading for heading in headings if heading != "Unreleased")


def test_a_dev_container_is_set_up_by_a_target_of_the_makefile():
    told = json.loads(Path(".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    tool, target = told["postCreateCommand"].split()
    assert "make" == tool
    assert re.search(rf"^{target}:", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "path", ["CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md", ".github/CODEOWNERS"]
)
def test_what_github_looks_for_is_there(path):
    assert Path(path).read_text(encoding="utf-8").strip()

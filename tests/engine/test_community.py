"""The community files that GitHub and editors read exist, and have a valid format."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from slipway.pull_request.jobs import SCHEMA, run_tool

TEMPLATES = Path(".github/ISSUE_TEMPLATE")
APACHE_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # of the text that Apache publishes


def valid(schema: str, *files: Path) -> bool:
    code, _ = run_tool([*SCHEMA, schema, *map(str, files)])
    return code == 0


def test_issue_forms_are_valid():
    assert valid("vendor.github-issue-forms", *(path for path in TEMPLATES.glob("*.yml") if path.stem != "config"))
    assert valid("vendor.github-issue-config", TEMPLATES / "config.yml")


def test_invalid_issue_form_is_detected(tmp_path):
    form = tmp_path / "fault.yml"
    form.write_text((TEMPLATES / "fault.yml").read_text().replace("type: textarea", "type: novel", 1))
    assert not valid("vendor.github-issue-forms", form)


def test_license_file_agrees_with_the_package():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ("Apache-2.0", APACHE_SHA256) == (
        project["license"],
        hashlib.sha256(Path("LICENSE").read_bytes()).hexdigest(),
    )


def test_dev_container_is_set_up_by_a_make_target():
    configuration = json.loads(Path(".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    tool, target = configuration["postCreateCommand"].split()
    assert "make" == tool
    assert re.search(rf"^{target}:", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", [".github/pull_request_template.md", ".github/CODEOWNERS"])
def test_community_file_exists(path):
    assert Path(path).read_text(encoding="utf-8").strip()

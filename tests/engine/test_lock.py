"""Every locked file has a hash, `slipway audit` covers every package, and a release has no copyleft package."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from slipway import output
from slipway.errors import GateError, MissingToolError
from slipway.pull_request.jobs import run_tool
from slipway.release.build import SERVE_GROUPS
from slipway.supply_chain import audit, licenses


@pytest.fixture(scope="module")
def packages():
    """Return the entries of uv.lock."""
    return tomllib.loads(Path("uv.lock").read_text(encoding="utf-8"))["package"]


@pytest.fixture(scope="module")
def locked(packages):
    """Return the entries of packages that a registry has, by name."""
    return {package["name"]: package for package in packages if "registry" in package["source"]}


def test_every_package_but_this_one_comes_from_pypi(packages):
    sources = {str(package["source"]) for package in packages if package["name"] != "slipway"}
    assert {"{'registry': 'https://pypi.org/simple'}"} == sources


def test_every_locked_file_has_its_hash(packages):
    files = [file for package in packages for file in [*package.get("wheels", []), package.get("sdist")] if file]
    assert [] == [file["url"] for file in files if not re.fullmatch("sha256:[0-9a-f]{64}", file["hash"])]


def test_every_locked_package_has_a_file(locked):
    assert [] == [name for name, package in locked.items() if not package.get("wheels") and "sdist" not in package]


def test_audit_covers_every_locked_package(locked):
    exported = "".join(run_tool(["uv", *audit.export(group)])[1] for group in audit.GROUPS)
    assert set() == locked.keys() - set(re.findall(r"^([\w.-]+)==", exported, re.MULTILINE))


@pytest.mark.parametrize("model_format", SERVE_GROUPS)
def test_release_installs_no_copyleft_package(model_format):
    listed = {name: licenses.license_of(name) for name in licenses.shipped(SERVE_GROUPS[model_format])}
    assert {} == licenses.rejected(listed)
    assert "bentoml" in listed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AGPL-3.0-only", True),
        ("GNU Affero General Public License v3", True),
        ("GPL-2.0-or-later", True),
        ("GNU General Public License v2 (GPLv2)", True),
        ("unknown", True),
        ("MIT AND GPL-3.0-only", True),
        ("Apache-2.0 OR GPL-2.0-or-later", False),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3", False),
        ("Mozilla Public License 2.0 (MPL 2.0)", False),
        ("Apache-2.0", False),
    ],
)
def test_copyleft_license_is_refused(text, expected):
    assert expected is bool(licenses.rejected({"package": text}))


def test_group_with_copyleft_package_is_refused_by_name():
    with pytest.raises(GateError, match=r"grandalf \(GNU General Public License v2"):
        licenses.licences(["pipeline"])


def test_licences_are_printed_as_json(capsys):
    with output.session(["--json"]):
        licenses.licences(["serve"])
    assert "MIT" == json.loads(capsys.readouterr().out)["pydantic"]


def test_missing_package_is_reported():
    with pytest.raises(MissingToolError, match="no-such-package: locked but not installed"):
        licenses.license_of("no-such-package")

"""CML: installed by commit and hashes, and called without changing the user's configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway import tools
from slipway.errors import ToolError
from slipway.github import cml, comments
from slipway.local import cml_install
from tests import github_api

SHA = "c" * 40
REAL = cml.is_installed()
(NPM_NAME,) = tools.named("npm").commands
NPM = """#!{python}
import json, os, pathlib, sys
pathlib.Path({log!r}).write_text(json.dumps([sys.argv[1:], os.getcwd(), sorted(os.listdir())]))
sys.exit({code})
"""


def _program(folder: Path, name: str, text: str) -> Path:
    """Write an executable to a PATH of its own."""
    tool = folder / "bin" / name
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(text)
    tool.chmod(0o755)
    return tool


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Create a work tree with the source of CML, and stand-ins for npm and node."""
    shutil.copytree(".github/actions/cml", tmp_path / cml_install.ACTION)
    monkeypatch.chdir(tmp_path)
    (cml_install.SOURCE / ".git").mkdir(parents=True)
    (cml_install.SOURCE / ".git" / "HEAD").write_text(f"{cml_install.COMMIT}\n")
    (cml_install.SOURCE / "package.json").write_text("{}")
    _program(tmp_path, NPM_NAME, NPM.format(python=sys.executable, log=str(tmp_path / "npm.json"), code=0))
    _program(tmp_path, "node", f"#!/bin/sh\necho {cml_install.VERSION}\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("GITHUB_PATH", str(tmp_path / "path"))
    return tmp_path


@pytest.mark.skipif(any(Path(folder, "cml").exists() for folder in ("/usr/bin", "/bin")), reason="cml is in /usr/bin")
class TestInstall:
    """`slipway cml` on a machine without CML."""

    def test_packages_come_by_hash_and_the_next_step_finds_cml(self, job):
        assert f"bin/cml is CML {cml_install.VERSION}" in cml_install.install()
        arguments, folder, files = json.loads((job / "npm.json").read_text())
        assert ["ci", "--ignore-scripts", "--no-audit", "--no-fund"] == arguments
        assert str(job / cml_install.FOLDER) == folder
        assert {"package.json", "package-lock.json", "source"} <= set(files)
        path = (job / "path").read_text().strip()
        done = subprocess.run(["cml", "--version"], env={"PATH": f"{path}:{os.environ['PATH']}"}, capture_output=True)
        assert cml_install.VERSION == done.stdout.decode().strip()

    @pytest.mark.parametrize("head", ["ref: refs/heads/main", "f" * 40])
    def test_another_commit_is_rejected(self, job, head):
        (cml_install.SOURCE / ".git" / "HEAD").write_text(head)
        with pytest.raises(cml.CmlError, match=f"not at commit {cml_install.COMMIT}"):
            cml_install.install()
        assert not (job / "path").exists()

    def test_source_without_git_is_rejected(self, job):
        shutil.rmtree(job / cml_install.SOURCE / ".git")
        with pytest.raises(cml.CmlError, match="not at"):
            cml_install.install()

    def test_a_missing_source_is_reported(self, job):
        shutil.rmtree(job / cml_install.SOURCE)
        with pytest.raises(cml.CmlError, match="no checkout of iterative/cml, "):
            cml_install.install()

    def test_package_that_npm_refuses_stops_it(self, job):
        _program(job, NPM_NAME, "#!/bin/sh\necho 'npm error code EINTEGRITY' >&2\nexit 1\n")
        with pytest.raises(ToolError, match=r"EINTEGRITY; CML needs the packages"):
            cml_install.install()
        assert not (job / "path").exists()

    def test_another_version_is_rejected(self, job):
        _program(job, "node", "#!/bin/sh\necho 0.1.0\n")
        with pytest.raises(cml.CmlError, match=r"is version 0\.1\.0"):
            cml_install.install()
        assert not (job / "path").exists()

    def test_installed_cml_is_used(self, job):
        tool = _program(job, "cml", "#!/bin/sh\n")
        assert f"{tool} is already installed" == cml_install.install()
        assert not (job / "npm.json").exists()


def test_every_package_has_a_hash_and_no_registry_of_its_own():
    lock = json.loads((cml_install.ACTION / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    packages = {name: package for name, package in lock.items() if name}
    assert 200 <= len(packages)
    assert [] == [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")]
    assert [] == [name for name, package in packages.items() if "resolved" in package or package.get("link")]
    declared = json.loads((cml_install.ACTION / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert declared == lock[""]["dependencies"]


GREEDY = """#!/bin/sh
git config --get user.name
git config --global --add safe.directory '*'
printf '%s %s\\n' "$GITHUB_SHA" "$ITERATIVE_DO_NOT_TRACK"
mkdir -p "$XDG_CONFIG_HOME/iterative"
"""


@pytest.mark.parametrize("place", [".gitconfig", ".config/git/config", "elsewhere"])
def test_call_reads_the_users_git_configuration_and_changes_nothing(tmp_path, monkeypatch, place):
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[user]\n\tname = Ada\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    if place == "elsewhere":
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    _program(tmp_path, "cml", GREEDY)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert f"Ada\n{SHA} 1\n" == cml.call([], SHA)
    assert "[user]\n\tname = Ada\n" == file.read_text()
    assert not (tmp_path / ".config" / "iterative").exists()


def test_cml_that_does_not_respond_is_stopped(tmp_path, monkeypatch):
    _program(tmp_path, "cml", "#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(cml, "CALL_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(cml.CmlError, match=r"cml: no response within 0\.2 s"):
        cml.call([], SHA)


@pytest.mark.skipif(not REAL, reason="cml: not on the PATH; CML 0.20.6 is no package of Debian, PyPI or npm")
@pytest.mark.parametrize("target", ["pr/7", f"commit/{SHA}"])
def test_the_real_cml_makes_one_comment_and_leaves_no_trace(tmp_path, monkeypatch, target):
    config = tmp_path / "home" / ".gitconfig"
    config.parent.mkdir()
    config.write_text("[user]\n\tname = Ada\n")
    monkeypatch.setenv("HOME", str(config.parent))
    monkeypatch.chdir(config.parent)
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GITHUB_SHA", "GITHUB_EVENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    with github_api.serve(tmp_path) as github:
        github.open_pull_request(7, SHA)
        monkeypatch.setenv("GITHUB_SERVER_URL", f"https://{github.address}")
        monkeypatch.setenv("GH_HOST", github.address)
        monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "token")
        monkeypatch.setenv("REPO_TOKEN", "token")
        monkeypatch.setenv("SSL_CERT_FILE", github.certificate)
        monkeypatch.setenv("NODE_EXTRA_CA_CERTS", github.certificate)
        place = comments.Place(github_api.REPOSITORY, target, "slipway-deployment")
        monkeypatch.setattr(comments, "_with_gh", None)  # a fallback would hide that CML failed
        addresses = {comments.post(place, SHA, f"# Report {number}") for number in range(3)}
        (comment,) = github.comments[7 if target == "pr/7" else SHA]
        assert {comment["html_url"]} == addresses
        assert comment["body"].startswith("# Report 2\n\n![](https://cml.dev/watermark.png#")
        assert ["POST", "PATCH", "PATCH"] == [method for method, _ in github.calls if method != "GET"]
    assert "[user]\n\tname = Ada\n" == config.read_text()
    assert [".gitconfig"] == [path.name for path in config.parent.rglob("*") if path.is_file()]

"""`slipway doctor` on machines and repositories that lack something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slipway import tools
from slipway.local import doctor, doctor_github
from slipway.local.finding import Finding, Severity
from tests import github_api

REPOSITORY = f"/repos/{github_api.REPOSITORY}"
WELL: dict[str, Any] = {
    REPOSITORY: {"default_branch": "main", "has_issues": True},
    "actions/workflows": {"workflows": [{"path": ".github/workflows/monitor.yaml", "state": "active"}]},
    "actions/permissions": {"enabled": True, "allowed_actions": "all"},
    "actions/permissions/workflow": {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": True},
    "environments": {
        "environments": [
            {"name": name, "deployment_branch_policy": {"custom_branch_policies": True}}
            for name in doctor_github.ENVIRONMENTS
        ]
    },
    "rulesets": [{"name": name, "enforcement": "active"} for name in doctor_github.RULES],
    "dependency-graph/sbom": {"sbom": {}},
    "actions/variables/PAGES": {"name": "PAGES", "value": "true"},
    "pages": {"build_type": "workflow"},
}
"""What GitHub says of a repository that lacks nothing."""


def finding(subject: str, root: Path = Path()) -> Finding:
    (found,) = (line for line in doctor.examine(root) if line.subject == subject)
    return found


def test_machine_on_which_the_tests_run_lacks_nothing_that_is_needed(capsys):
    assert doctor.doctor() <= Severity.ADVISED
    assert "MISSING" not in capsys.readouterr().out


def test_missing_data_is_named_with_its_mend(tmp_path):
    assert "`uv run dvc pull data.dvc`" == finding("data", tmp_path).mend


def test_missing_tool_is_named_with_its_mend(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert ("on Debian and Ubuntu, `sudo apt-get install git`", "`make setup`") == (
        finding("git").mend,
        finding("act").mend,
    )


@pytest.mark.parametrize("tool", tools.OPTIONAL, ids=lambda tool: tool.name)
def test_an_optional_tool_is_advised(monkeypatch, tmp_path, tool):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = finding(tool.name)
    assert (Severity.ADVISED, f"{tool.fix}, for {tool.purpose}") == (found.severity, found.mend)


def test_no_identity_stops_nobody(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    found = finding("git identity", tmp_path)
    assert ("none", Severity.ADVISED) == (found.found, found.severity)


@pytest.mark.parametrize(
    ("initial", "commands", "expected"),
    [
        ("main", [], "main"),
        ("master", [], "master is the default one"),
        ("change", [("branch", "main")], "main"),
        ("change", [("update-ref", "refs/remotes/origin/main", "HEAD")], "main"),
        (
            "main",
            [("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")],
            "trunk is the default one",
        ),
    ],
)
def test_a_default_branch_on_which_no_workflow_runs_is_named(tmp_path, initial, commands, expected):
    commit = ("-c", "user.name=A", "-c", "user.email=a@example.invalid", "commit", "-q", "--allow-empty", "-m", "All")
    for command in (("init", "-q", f"--initial-branch={initial}"), commit, *commands):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    found = finding("branch", tmp_path)
    assert found.found.startswith(expected)
    assert ("main" != expected) is ("gh repo edit --default-branch main" in found.mend)


def test_a_folder_without_git_has_no_branch(tmp_path):
    assert [] == [one for one in doctor.examine(tmp_path) if one.subject == "branch"]


def test_full_disk_is_named(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1e9}))
    assert ("free 3 GB", Severity.NEEDED) == (finding("disk").mend, finding("disk").severity)


@pytest.mark.parametrize(("owner", "severity"), [("@OWNER/maintainers", 1), ("@flights/maintainers", 0)])
def test_owners_of_the_template_are_to_be_replaced(tmp_path, owner, severity):
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "CODEOWNERS").write_text(f"/tests/ {owner}\n", encoding="utf-8")
    assert severity == finding("code owners", tmp_path).severity


@pytest.mark.parametrize("severity", list(Severity))
def test_the_worst_finding_is_the_exit_code_and_is_counted(monkeypatch, capsys, severity):
    found = [Finding("one", "here"), Finding("other", "gone", "`bring it`", severity)]
    monkeypatch.setattr(doctor, "examine", lambda _: found)
    monkeypatch.setattr(doctor_github, "examine", lambda _: ())
    assert severity == doctor.doctor()
    *_, last = capsys.readouterr().out.splitlines()
    assert (
        last
        == [
            "Nothing is missing.",
            "1 advised: the lines above say how to mend it",
            "1 needed: the lines above say how to mend it",
        ][severity]
    )


def test_findings_are_there_for_a_program(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda _: [Finding("disk", "full", "free 3 GB", Severity.NEEDED)])
    monkeypatch.setattr(doctor_github, "examine", lambda _: ())
    doctor.doctor(as_json=True)
    said = json.loads(capsys.readouterr().out)
    (only,) = said["findings"]
    assert ("needed", "needed", "free 3 GB") == (said["severity"], only["severity"], only["mend"])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://github.com/team/flights.git", ("github.com", "team/flights")),
        ("https://github.com/team/flights", ("github.com", "team/flights")),
        ("https://token@github.com/team/flights", ("github.com", "team/flights")),
        ("git@github.com:team/flights.git", ("github.com", "team/flights")),
        ("ssh://git@github.com/team/flights.v2.git", ("github.com", "team/flights.v2")),
        ("https://localhost:8443/team/flights", ("localhost:8443", "team/flights")),
        ("/srv/git/flights.git", ("", "")),
    ],
)
def test_origin_is_read_in_each_of_its_forms(tmp_path, address, expected):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", address], check=True)
    assert expected == doctor_github.origin(tmp_path)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with github_api.serve(tmp_path_factory.mktemp("github")) as server:
        yield server


@pytest.fixture
def clone(server, tmp_path, monkeypatch):
    """A clone of a repository of which `server` tells that it lacks nothing."""
    server.settings = dict(WELL)
    server.calls.clear()
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))  # for gh
    monkeypatch.setenv("GH_HOST", server.address)
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "token")
    monkeypatch.setenv("GH_CONFIG_DIR", str(tmp_path / "gh"))
    monkeypatch.setenv("SSL_CERT_FILE", server.certificate)
    address = f"https://{server.address}/{github_api.REPOSITORY}.git"
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", address], check=True)
    return tmp_path


def test_a_repository_that_lacks_nothing_has_no_mend(clone):
    found = list(doctor_github.examine(clone))
    assert 14 == len(found)
    assert [] == [one for one in found if one.mend or one.severity]


LOOKS = {
    "repository": {REPOSITORY},
    "workflows": {"actions/workflows"},
    "immutable releases": {"immutable-releases"},
    "GitHub Actions": {"actions/permissions"},
    "workflow permissions": {"actions/permissions/workflow"},
    "environments": {"environments"},
    "rules": {"rulesets"},
    "dependency graph": {"dependency-graph/sbom"},
    "Pages": {"actions/variables/PAGES", "pages"},
}
"""Paths of the API that each look asks for."""

LACKING = [
    (
        REPOSITORY,
        {"default_branch": "master", "has_issues": True},
        "default branch",
        2,
        "`git push --set-upstream origin main`, then `gh repo edit --default-branch main`",
    ),
    (
        REPOSITORY,
        {"default_branch": "main", "has_issues": False},
        "Issues",
        1,
        "Settings → General → Features → Issues",
    ),
    *(
        (
            "actions/workflows",
            {"workflows": [{"path": ".github/workflows/retrain.yaml", "state": state}]},
            "workflows",
            1,
            "`gh workflow enable retrain.yaml`",
        )
        for state in ("disabled_inactivity", "disabled_fork", "disabled_manually")
    ),
    (
        "immutable-releases",
        {"enabled": True, "enforced_by_owner": False},
        "immutable releases",
        1,
        "Enable release immutability: off",
    ),
    ("immutable-releases", {"enabled": True, "enforced_by_owner": True}, "immutable releases", 1, "SLIPWAY_STORE"),
    ("actions/permissions", {"enabled": False}, "GitHub Actions", 2, "the button on the tab Actions"),
    (
        "actions/permissions",
        {"enabled": True, "allowed_actions": "local_only"},
        "GitHub Actions",
        2,
        "allow those of `actions`",
    ),
    (
        "actions/permissions/workflow",
        {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": True},
        "workflow permissions",
        1,
        "Workflow permissions: read",
    ),
    (
        "actions/permissions/workflow",
        {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False},
        "pull requests by CI",
        1,
        "create and approve pull requests",
    ),
    ("environments", {"total_count": 0}, "environment staging", 1, "--input .github/rulesets/environment.json"),
    ("environments", {"environments": []}, "environment staging", 1, "--input .github/rulesets/environment.json"),
    (
        "environments",
        {"environments": [{"name": "production", "deployment_branch_policy": None}]},
        "environment production",
        1,
        "--method PUT 'repos/{owner}/{repo}/environments/production'",
    ),
    (
        "rulesets",
        [],
        "rules main",
        1,
        "--method POST 'repos/{owner}/{repo}/rulesets' --input .github/rulesets/main.json",
    ),
    ("rulesets", [{"name": "deploy", "enforcement": "disabled"}], "rules deploy", 1, ".github/rulesets/deploy.json"),
    ("dependency-graph/sbom", 404, "dependency graph", 1, "DEPENDENCY_REVIEW"),
    ("pages", 404, "Pages", 2, "Source: GitHub Actions"),
    *(
        (path, 403, subject, 1, "an administrator")
        for path, subject in (
            ("actions/permissions", "GitHub Actions"),
            ("actions/permissions/workflow", "workflow permissions"),
            ("environments", "environments"),
            ("rulesets", "rules"),
            ("dependency-graph/sbom", "dependency graph"),
            ("actions/variables/PAGES", "Pages"),
            (REPOSITORY, "repository"),
            ("actions/workflows", "workflows"),
            ("immutable-releases", "immutable releases"),
        )
    ),
]


@pytest.mark.parametrize(("path", "answer", "subject", "severity", "mend"), LACKING)
def test_what_a_repository_lacks_is_named_with_its_mend(
    server, clone, monkeypatch, path, answer, subject, severity, mend
):
    server.settings[path] = answer
    look = next(name for name, paths in LOOKS.items() if path in paths)
    monkeypatch.setattr(doctor_github, "LOOKS", {look: doctor_github.LOOKS[look]})  # only the one that is concerned
    (found,) = (one for one in doctor_github.examine(clone) if one.subject == subject)
    assert severity == found.severity
    assert mend in found.mend


def test_a_repository_that_publishes_nothing_needs_no_pages(server, clone):
    server.settings |= {"actions/variables/PAGES": 404, "pages": 404}
    (found,) = (one for one in doctor_github.examine(clone) if one.subject == "Pages")
    assert ("", Severity.FINE) == (found.mend, found.severity)


def test_every_mend_that_is_a_command_reads_a_file_that_is_there(server, clone):
    server.settings |= {"environments": {"environments": []}, "rulesets": []}
    files = [
        one.mend.split("--input ")[1].split("`")[0] for one in doctor_github.examine(clone) if "--input" in one.mend
    ]
    assert 5 == len(files)
    assert [] == [file for file in files if not Path(file).is_file()]


def test_rulesets_have_the_names_that_are_looked_for():
    for name, file in doctor_github.RULES.items():
        assert name == json.loads((Path(".github/rulesets") / file).read_text(encoding="utf-8"))["name"]


def test_github_is_only_read(server, clone):
    list(doctor_github.examine(clone))
    assert {"GET"} == {method for method, _ in server.calls}


def test_without_a_login_nothing_is_asked_and_one_line_says_so(server, clone, monkeypatch):
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    (found,) = doctor_github.examine(clone)
    assert ("`gh auth login`", Severity.ADVISED, []) == (found.mend, found.severity, server.calls)


def test_without_an_origin_on_github_one_line_says_what_was_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("GH_HOST", raising=False)
    (found,) = doctor_github.examine(tmp_path)
    assert ("", Severity.FINE) == (found.mend, found.severity)
    assert "rules" in found.found


def test_make_goes_on_after_advice_and_stops_when_something_is_missing(tmp_path):
    rule = next(line for line in Path("Makefile").read_text(encoding="utf-8").splitlines() if "slipway doctor" in line)
    for code in (0, 1, 2):
        fake = tmp_path / "fake"
        fake.write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
        fake.chmod(0o755)
        (tmp_path / "Makefile").write_text(f"RUN = {fake}\nall:\n{rule}\n", encoding="utf-8")
        made = subprocess.run(["make", "-C", str(tmp_path)], env=os.environ, capture_output=True, check=False)
        assert (code > 1) == bool(made.returncode)

"""The gate on known vulnerabilities, on what pip-audit 2.10.1 writes. pip-audit itself needs PyPI's advisories."""

from __future__ import annotations

import re
import sys
from datetime import date, timedelta

import pytest

from slipway.errors import MissingToolError, UnreadableFileError
from slipway.gates import Outcome
from slipway.supply_chain import audit

TODAY = date(2026, 1, 15)
ENTRY = {
    "package": "jinja2",
    "advisory": "CVE-2026-1",
    "reason": "no template comes from a user",
    "expires": "2026-02-15",
}
KNOWN = {"id": "PYSEC-2026-1", "fix_versions": ["3.2"], "aliases": ["CVE-2026-1"], "description": "Long."}
CLEAN = {"name": "idna", "version": "3.20", "vulns": []}
VULNERABLE = {"name": "jinja2", "version": "3.1", "vulns": [KNOWN]}
SKIPPED = {"name": "jinja2", "skip_reason": "Dependency not found on PyPI and could not be audited: jinja2 (3.1)"}


def allowed(**changes: str) -> list[audit.Allowance]:
    return [audit.Allowance.model_validate(ENTRY | changes)]


def report(*packages: dict) -> audit.AuditReport:
    return audit.AuditReport.model_validate({"dependencies": list(packages), "fixes": []})


def judge(*packages: dict, allow: list[audit.Allowance] | None = None) -> audit.Verdict:
    return audit.verdict("dev", report(*packages), allow or [])


def test_packages_without_a_known_vulnerability_pass():
    assert Outcome.PASS is judge(CLEAN).outcome


def test_a_known_vulnerability_fails_with_the_fixed_version():
    verdict = judge(CLEAN, VULNERABLE)
    assert (Outcome.FAIL, "jinja2 3.1: PYSEC-2026-1: fixed in 3.2") == (verdict.outcome, verdict.reason)


def test_a_package_that_pip_audit_skipped_fails():
    assert Outcome.FAIL is judge(CLEAN, SKIPPED).outcome


def test_a_report_without_packages_fails():
    assert Outcome.FAIL is judge().outcome


def test_a_missing_report_fails():
    assert Outcome.FAIL is audit.verdict("dev", audit.AuditReport(), []).outcome


@pytest.mark.parametrize("advisory", ["CVE-2026-1", "PYSEC-2026-1"])
def test_a_vulnerability_on_the_allow_list_passes_by_any_of_its_names(advisory):
    assert Outcome.PASS is judge(VULNERABLE, allow=allowed(advisory=advisory)).outcome


@pytest.mark.parametrize("changes", [{"package": "flask"}, {"advisory": "CVE-2026-2"}])
def test_an_entry_for_another_package_or_advisory_allows_nothing(changes):
    assert Outcome.FAIL is judge(VULNERABLE, allow=allowed(**changes)).outcome


def test_a_package_that_was_skipped_cannot_be_on_the_allow_list():
    assert Outcome.FAIL is judge(SKIPPED, allow=allowed()).outcome


def test_many_findings_are_counted_and_three_are_named():
    verdict = judge(*(VULNERABLE | {"name": f"package-{number}"} for number in range(5)))
    assert (3, True) == (verdict.reason.count("PYSEC"), verdict.reason.endswith("and 2 more"))


@pytest.mark.parametrize(
    ("days", "outcome"),
    [(-1, Outcome.FAIL), (0, Outcome.FAIL), (1, Outcome.PASS), (90, Outcome.PASS), (91, Outcome.FAIL)],
)
def test_an_entry_may_expire_within_ninety_days(days, outcome):
    entries = allowed(expires=str(TODAY + timedelta(days=days)))
    assert outcome is audit.allowances_verdict(entries, TODAY).outcome


@pytest.mark.parametrize("without", ["package", "advisory", "reason", "expires"])
def test_an_entry_without_a_field_is_rejected(tmp_path, without):
    lines = [f"{name}: {value}" for name, value in ENTRY.items() if name != without]
    path = tmp_path / "advisories.yaml"
    path.write_text("- " + "\n  ".join(lines), encoding="utf-8")
    with pytest.raises(UnreadableFileError, match=rf"entry 0\.{without}: Field required"):
        audit.read_allowances(path)


def test_a_reason_of_one_word_is_rejected(tmp_path):
    path = tmp_path / "advisories.yaml"
    path.write_text("- {package: a, advisory: CVE-1, reason: later, expires: 2026-02-15}", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match=r"entry 0\.reason"):
        audit.read_allowances(path)


def test_the_shipped_allow_list_can_be_read():
    assert all(entry.reason for entry in audit.read_allowances(audit.ALLOWED))


STAND_IN = """#!{python}
# Stand-in for pip-audit, which omits packages that its machine would not install; also omits {omits}.
import json, pathlib, re, sys
options, text = sys.argv[1:], pathlib.Path(sys.argv[-1]).read_text()
assert "--require-hashes" in options and "--hash=sha256:" in text
names = re.findall(r"^([\\w.-]+)==(\\S+) --hash", text, re.MULTILINE)
assert len(names) == len(set(name for name, _ in names)), "two versions of one package"
packages = [dict(name=name, version=version, vulns=[]) for name, version in names if name != {omits!r}]
if {writes}:
    pathlib.Path(options[options.index("--output") + 1]).write_text(json.dumps(dict(dependencies=packages)))
sys.exit(1)
"""


@pytest.fixture
def pip_audit(tmp_path, monkeypatch):
    """Call a stand-in instead of pip-audit."""

    def stand_in(*, omits: str = "", writes: bool = True) -> None:
        tool, run = tmp_path / "pip-audit", audit.run_tool
        text = STAND_IN.format(python=sys.executable, omits=omits, writes=writes)
        tool.write_text(text, encoding="utf-8")
        tool.chmod(0o755)
        tools = {"pip-audit": str(tool)}
        monkeypatch.setattr(audit, "run_tool", lambda command: run([tools.get(command[0], command[0]), *command[1:]]))

    return stand_in


LOCKED = dict(audit.locked_packages())


@pytest.mark.parametrize("group", ["dev", "audit", "feast"])
def test_every_locked_version_of_every_platform_is_looked_up(pip_audit, group):
    pip_audit()
    text = LOCKED[group]
    listed = [(package.name, package.version) for package in audit.query(text).dependencies]
    assert sorted(re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)", text, re.MULTILINE)) == sorted(listed)
    assert re.search("; .*(sys_platform|python_full_version)", text)
    assert Outcome.PASS is audit.verdict(group, audit.query(text), []).outcome


def test_a_package_that_pip_audit_omits_fails(pip_audit):
    pip_audit(omits="colorama")
    verdict = audit.verdict("audit", audit.query(LOCKED["audit"]), [])
    assert Outcome.FAIL is verdict.outcome
    assert re.fullmatch(r"colorama [\d.]+: not looked up: pip-audit omitted it", verdict.reason)


def test_without_a_report_the_result_is_empty(pip_audit):
    pip_audit(writes=False)
    assert [] == audit.query(LOCKED["audit"]).dependencies


def test_a_missing_uv_is_reported(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match="uv: not found on the PATH"):
        next(audit.locked_packages())

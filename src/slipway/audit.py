"""The verb `audit`: which of the locked packages have a known vulnerability.

pip-audit asks PyPI; this only decides what its answer means. A package that could not be looked up counts as a finding,
because pip-audit itself passes it over and reports none.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from slipway import yaml12
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.jobs import run_tool
from slipway.results import recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ALLOWED = Path(".github/advisories.yaml")
GROUPS = ("dev", "checks", "audit", "docs")
"""Dependency groups that together hold every locked package; a test holds that."""

LONGEST = timedelta(days=90)  # that an entry may stand before somebody must think again
LOCKED = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?==(?P<version>[^\s;]+).*?(?P<hashes>--hash=.+)")
"""A package in uv's export, on one line."""

NAMED = 3  # findings that a verdict names; all are in the evidence


class Allowance(BaseModel):
    """A vulnerability that is known and borne until a day."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    package: str = Field(min_length=1)
    advisory: str = Field(pattern=r"^[A-Z]+-[\w-]+$")
    reason: str = Field(min_length=10)
    expires: date


@dataclass(frozen=True)
class Finding:
    """A locked package with a known vulnerability, or one that could not be looked up."""

    package: str
    version: str
    names: tuple[str, ...]
    """The advisory and its aliases; empty when the package could not be looked up."""
    mend: str


def audit() -> None:
    """Look up every locked package, and write results/audit.json. Raises UserError unless all is well."""
    today = datetime.now(UTC).date()
    with recorded("audit") as result:
        allowed = read_allowances(ALLOWED)
        result.verdicts.append(allowances_verdict(allowed, today))
        for group in GROUPS:
            report = look_up(group)
            result.evidence[group] = report
            result.verdicts.append(verdict(group, report, allowed))
            print(f"{group}: {result.verdicts[-1].observed}", flush=True)
    result.require()


def read_allowances(path: Path) -> list[Allowance]:
    """The allow list. Raises UserError naming the first entry that lacks a reason, a day, or anything else."""
    try:
        content = yaml12.parse(path.read_text(encoding="utf-8"))
        return TypeAdapter(list[Allowance]).validate_python(content)
    except FileNotFoundError:
        raise UserError(f"{path}: not found; without exceptions it holds []") from None
    except yaml12.YamlError as error:
        raise UserError(f"{path}: not YAML ({error})") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UserError(f"{path}: entry {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def allowances_verdict(allowed: Sequence[Allowance], today: date) -> Verdict:
    """Gate on the allow list itself: no entry has expired, and none stands for longer than somebody can oversee."""
    broken = [f"{entry.advisory} expired on {entry.expires}" for entry in allowed if entry.expires <= today]
    late = today + LONGEST
    broken += [f"{entry.advisory} expires only on {entry.expires}" for entry in allowed if entry.expires > late]
    threshold = f"each expires within {LONGEST.days} days"
    return Verdict("allow list", _outcome(broken), threshold, f"{len(allowed)} entries", "; ".join(broken))


def verdict(group: str, report: Mapping[str, Any], allowed: Sequence[Allowance]) -> Verdict:
    """Gate on what pip-audit says of a dependency group: `report` is its JSON, empty when it gave none."""
    gate, threshold = f"vulnerabilities of {group}", "none known"
    packages = report.get("dependencies", [])
    if not packages:
        return Verdict(gate, Outcome.FAIL, threshold, "nothing was looked up", "see the job's log")
    found = [one for one in findings(report) if not _borne(one, allowed)]
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    named = "; ".join(_said(one) for one in found[:NAMED]) + more
    return Verdict(gate, _outcome(found), threshold, f"{len(found)} in {len(packages)} packages", named)


def findings(report: Mapping[str, Any]) -> Iterator[Finding]:
    """Every vulnerability in pip-audit's JSON, and every package that it skipped."""
    for package in report["dependencies"]:
        name, version = package["name"], package.get("version", "")
        if "skip_reason" in package:
            yield Finding(name, version, (), package["skip_reason"])
        for known in package.get("vulns", []):
            mend = ", ".join(known["fix_versions"]) or "no version yet"
            yield Finding(name, version, (known["id"], *known.get("aliases", [])), f"mended by {mend}")


def _borne(finding: Finding, allowed: Sequence[Allowance]) -> bool:
    return any(entry.package == finding.package and entry.advisory in finding.names for entry in allowed)


def _said(finding: Finding) -> str:
    what = finding.names[0] if finding.names else "not looked up"
    return f"{finding.package} {finding.version}".rstrip() + f": {what}: {finding.mend}"


def _outcome(broken: Sequence[Any]) -> Outcome:
    return Outcome.FAIL if broken else Outcome.PASS


def look_up(group: str) -> dict[str, Any]:
    """Return pip-audit's report on the locked packages of `group`; an empty one, after its output, when it gives none.

    A locked package that pip-audit leaves out is in the report as one that was skipped.
    """
    locked = [match for match in map(LOCKED.match, _uv(*export(group)).replace("\\\n", " ").splitlines()) if match]
    reports = [_pip_audit(requirements) for requirements in one_version_each(locked)]
    if not all(reports):
        return {}
    listed = [package for report in reports for package in report["dependencies"]]
    return {"dependencies": [*listed, *left_out(locked, listed)]}


def one_version_each(locked: Iterable[re.Match[str]]) -> list[str]:
    """Return requirement files that together hold every locked package, none of them two versions of one.

    The lock is for all platforms and Pythons. Markers are left out, because pip-audit silently leaves out what
    does not fit the machine that it runs on.
    """
    files: list[dict[str, str]] = []
    for package in locked:
        free = next((file for file in files if package["name"] not in file), None)
        if free is None:
            files.append(free := {})
        free[package["name"]] = f"{package['name']}=={package['version']} {package['hashes']}\n"
    return ["".join(file.values()) for file in files]


def left_out(locked: Iterable[re.Match[str]], listed: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return an entry, as pip-audit writes one for a skipped package, for each locked package that is not `listed`."""
    skipped = {package["name"] for package in listed if "skip_reason" in package}
    known = {(package["name"], package.get("version")) for package in listed}
    return [
        {"name": package["name"], "version": package["version"], "skip_reason": "pip-audit left it out"}
        for package in locked
        if package["name"] not in skipped and (package["name"], package["version"]) not in known
    ]


def _pip_audit(requirements: str) -> dict[str, Any]:
    """Return pip-audit's JSON on the text of a requirements file; nothing, after its output, when it writes none."""
    with TemporaryDirectory() as folder:
        locked, report = Path(folder) / "locked.txt", Path(folder) / "report.json"
        locked.write_text(requirements, encoding="utf-8")
        options = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
        code, output = run_tool(["pip-audit", *options, "--output", str(report), "--requirement", str(locked)])
        if not report.is_file():
            print(f"pip-audit: exit code {code}: {output.rstrip()}", flush=True)
            return {}
        return json.loads(report.read_text(encoding="utf-8"))


def export(group: str) -> list[str]:
    """Arguments of uv to list the locked packages of `group` with their hashes."""
    return ["export", "--quiet", "--frozen", "--no-emit-project", "--no-default-groups", "--group", group]


def _uv(*arguments: str) -> str:
    """Run uv, which the job has, though its small environment has not; return its output. Raises UserError."""
    try:
        done = subprocess.run(["uv", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("uv: not found on the PATH; `make setup` puts it into .bootstrap/bin") from None
    if done.returncode:
        raise UserError(f"uv {' '.join(arguments)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout

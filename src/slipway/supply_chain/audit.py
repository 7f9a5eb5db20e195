"""The command `audit`: known vulnerabilities of the locked packages.

pip-audit queries PyPI; this module judges its report. A package that could not be looked up counts as a finding,
because pip-audit skips it without one.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from slipway import output, yaml12
from slipway.errors import MissingFileError, MissingToolError, ToolError, UnreadableFileError
from slipway.gates import Outcome, Verdict
from slipway.pull_request.jobs import run_tool
from slipway.results import Job, JobResult, invalid, recorded
from slipway.schema.bounds import Absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ALLOWED = Path(".github/advisories.yaml")
GROUPS = ("dev", "checks", "audit", "docs")
"""Dependency groups that together hold every package of uv.lock, which a test asserts."""
REQUIREMENTS = tuple(
    Path("src/slipway", name)
    for name in (
        "feature_store/feast.txt",
        *(f"lab/bench/peers/{peer}.txt" for peer in ("fastapi", "litserve", "rayserve")),
    )
)
"""Files that lock the packages of environments of their own."""
UNAUDITED = {
    Path("src/slipway/lab/bench/peers/mlserver.txt"): (
        "MLServer 1.7.1 requires fastapi < 0.116, hence starlette 0.46, which has known vulnerabilities, such as"
        " CVE-2025-62727. No fix exists. It only answers `slipway bench --peers`, on loopback."
    )
}
"""Files that are not looked up, with the reason: their findings cannot be fixed, and nothing of a release uses them."""

ALLOWANCE_MAX = timedelta(days=90)  # until an entry of the allow list must be reviewed
LOCKED = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?==(?P<version>[^\s;]+).*?(?P<hashes>--hash=.+)")
"""A package of uv's export, joined to one line."""

NAMED_FINDINGS_MAX = 3  # in a verdict's reason; the evidence holds all


class Allowance(BaseModel):
    """A known vulnerability that is accepted until a date."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, defer_build=True)

    package: str = Field(min_length=1)
    advisory: str = Field(pattern=r"^[A-Z]+-[\w-]+$")
    reason: str = Field(min_length=10)
    expires: date


class Advisory(BaseModel):
    """A vulnerability in pip-audit's JSON; other keys are ignored."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    fix_versions: list[str]
    aliases: list[str] = []


class AuditedPackage(BaseModel):
    """A package in pip-audit's JSON; other keys are ignored."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    version: Absent[str] = None
    skip_reason: Absent[str] = None
    """Why it was not looked up."""
    vulns: list[Advisory] = []


class AuditReport(BaseModel):
    """pip-audit's JSON; without a package if it failed."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    dependencies: list[AuditedPackage] = []


AUDIT: Final = Job("audit", JobResult[dict[str, AuditReport]])
"""Its evidence is the report on each dependency group."""


@dataclass(frozen=True)
class Finding:
    """A locked package with a known vulnerability, or one that could not be looked up."""

    package: str
    version: str
    names: tuple[str, ...]
    """The advisory and its aliases; empty when the package could not be looked up."""
    fix: str


def audit() -> None:
    """Look up every locked package, and write results/audit.json. Raises UserError unless every gate passes."""
    today = datetime.now(UTC).date()
    with recorded(AUDIT) as result:
        allowed = read_allowances(ALLOWED)
        result.verdicts.append(allowances_verdict(allowed, today))
        for name, locked in locked_packages():
            report = query(locked)
            result.evidence[name] = report
            result.verdicts.append(verdict(name, report, allowed))
            output.step(f"{name}: {result.verdicts[-1].observed}")
    result.require()


def locked_packages() -> Iterator[tuple[str, str]]:
    """Yield name and locked packages of each dependency group and each file of requirements. Raises UserError."""
    for group in GROUPS:
        yield group, _uv(*export(group))
    for path in REQUIREMENTS:
        try:
            yield path.stem, path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise MissingFileError(f"{path}: not found; run the audit in the root of the repository") from None


def read_allowances(path: Path) -> list[Allowance]:
    """Return the allow list. Raises UserError naming the first invalid entry."""
    try:
        content = yaml12.parse(path.read_text(encoding="utf-8"))
        return TypeAdapter(list[Allowance]).validate_python(content)
    except FileNotFoundError:
        raise MissingFileError(f"{path}: not found; create it with [] if nothing is allowed") from None
    except yaml12.YamlError as error:
        raise UnreadableFileError(f"{path}: not YAML ({error})") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UnreadableFileError(f"{path}: entry {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def allowances_verdict(allowed: Sequence[Allowance], today: date) -> Verdict:
    """Require that no entry of the allow list has expired, or expires later than ALLOWANCE_MAX from `today`."""
    broken = [f"{entry.advisory} expired on {entry.expires}" for entry in allowed if entry.expires <= today]
    latest = today + ALLOWANCE_MAX
    broken += [f"{entry.advisory} expires only on {entry.expires}" for entry in allowed if entry.expires > latest]
    threshold = f"each expires within {ALLOWANCE_MAX.days} days"
    return Verdict("allow list", _outcome(broken), threshold, f"{len(allowed)} entries", "; ".join(broken))


def verdict(group: str, report: AuditReport, allowed: Sequence[Allowance]) -> Verdict:
    """Require that a group of packages has no known vulnerability."""
    gate, threshold = f"vulnerabilities of {group}", "none known"
    packages = report.dependencies
    if not packages:
        return Verdict(gate, Outcome.FAIL, threshold, "nothing was looked up", "see the job's log")
    open_findings = [finding for finding in findings(report) if not _is_allowed(finding, allowed)]
    named = [_text(finding) for finding in open_findings[:NAMED_FINDINGS_MAX]]
    if len(open_findings) > len(named):
        named.append(f"and {len(open_findings) - len(named)} more")
    observed = f"{len(open_findings)} in {len(packages)} packages"
    return Verdict(gate, _outcome(open_findings), threshold, observed, "; ".join(named))


def findings(report: AuditReport) -> Iterator[Finding]:
    """Yield every vulnerability in pip-audit's JSON, and every package that it skipped."""
    for package in report.dependencies:
        name, version = package.name, package.version or ""
        if package.skip_reason is not None:
            yield Finding(name, version, (), package.skip_reason)
        for advisory in package.vulns:
            fixed = ", ".join(advisory.fix_versions) or "no version yet"
            yield Finding(name, version, (advisory.id, *advisory.aliases), f"fixed in {fixed}")


def _is_allowed(finding: Finding, allowed: Sequence[Allowance]) -> bool:
    return any(entry.package == finding.package and entry.advisory in finding.names for entry in allowed)


def _text(finding: Finding) -> str:
    advisory = finding.names[0] if finding.names else "not looked up"
    return f"{finding.package} {finding.version}".rstrip() + f": {advisory}: {finding.fix}"


def _outcome(broken: Sequence[Any]) -> Outcome:
    return Outcome.FAIL if broken else Outcome.PASS


def query(requirements: str) -> AuditReport:
    """Return pip-audit's report on the packages of a requirements file with hashes, without a package if it fails.

    A locked package that pip-audit omits is added as skipped.
    """
    locked = [match for match in map(LOCKED.match, requirements.replace("\\\n", " ").splitlines()) if match]
    reports = [_pip_audit(file) for file in one_version_each(locked)]
    if not all(report.dependencies for report in reports):
        return AuditReport()
    listed = [package for report in reports for package in report.dependencies]
    return AuditReport(dependencies=[*listed, *omitted(locked, listed)])


def one_version_each(locked: Iterable[re.Match[str]]) -> list[str]:
    """Return requirements files that together hold every locked package, with one version per package in each.

    The lock covers all platforms and Python versions. Markers are dropped, because pip-audit silently omits packages
    whose marker does not match its own platform.
    """
    files: list[dict[str, str]] = []
    for package in locked:
        free = next((file for file in files if package["name"] not in file), None)
        if free is None:
            files.append(free := {})
        free[package["name"]] = f"{package['name']}=={package['version']} {package['hashes']}\n"
    return ["".join(file.values()) for file in files]


def omitted(locked: Iterable[re.Match[str]], listed: Iterable[AuditedPackage]) -> list[AuditedPackage]:
    """Return each locked package that is not `listed`, as a skipped one."""
    skipped = {package.name for package in listed if package.skip_reason is not None}
    reported = {(package.name, package.version) for package in listed}
    return [
        AuditedPackage(name=package["name"], version=package["version"], skip_reason="pip-audit omitted it")
        for package in locked
        if package["name"] not in skipped and (package["name"], package["version"]) not in reported
    ]


def _pip_audit(requirements: str) -> AuditReport:
    """Return pip-audit's report on the content of a requirements file; if it fails, print its output.

    Raises UserError for a report of another form.
    """
    with TemporaryDirectory() as folder:
        locked, report = Path(folder) / "locked.txt", Path(folder) / "report.json"
        locked.write_text(requirements, encoding="utf-8")
        options = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
        code, printed = run_tool(["pip-audit", *options, "--output", str(report), "--requirement", str(locked)])
        if not report.is_file():
            output.warn(f"pip-audit: exit code {code}: {printed.rstrip()}")
            return AuditReport()
        try:
            return AuditReport.model_validate_json(report.read_bytes())
        except ValidationError as error:
            raise ToolError(f"pip-audit: {invalid(report, error)}") from None


def export(group: str) -> list[str]:
    """Return the arguments of uv that list the locked packages of `group` with their hashes."""
    return ["export", "--quiet", "--frozen", "--no-emit-project", "--no-default-groups", "--group", group]


def _uv(*arguments: str) -> str:
    """Run the machine's uv, which the job's small environment lacks, and return its output. Raises UserError."""
    try:
        done = subprocess.run(["uv", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MissingToolError("uv: not found on the PATH; `make setup` puts it into .bootstrap/bin") from None
    if done.returncode:
        raise ToolError(f"uv {' '.join(arguments)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout

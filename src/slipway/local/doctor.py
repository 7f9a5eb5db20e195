"""`slipway doctor`: what this machine and the repository on GitHub have and lack, and how to mend it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import tools
from slipway.git import Git, GitError
from slipway.local import doctor_github
from slipway.local.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

FREE_GIGABYTES = 3  # for the packages, the data and one demo
SETTINGS = ("SLIPWAY_STORE", "SLIPWAY_HOME", "STAGING_URL", "PRODUCTION_URL")
PLACEHOLDER = "@OWNER/"
MARKS = {Severity.FINE: "ok", Severity.ADVISED: "advised", Severity.NEEDED: "MISSING"}


def doctor(*, as_json: bool = False) -> int:
    """Print every finding. The worst one is the exit code: 0 all is well, 1 something is advised, 2 it is needed."""
    findings = [*examine(Path()), *doctor_github.examine(Path())]
    worst = max(finding.severity for finding in findings)
    if as_json:
        content = [asdict(one) | {"severity": one.severity.name.lower()} for one in findings]
        print(json.dumps({"severity": worst.name.lower(), "findings": content}, indent=2))
    else:
        print("\n".join(map(_line, findings)))
        print(_summary(findings))
    return int(worst)


def _line(finding: Finding) -> str:
    mend = f"; {finding.mend}" if finding.mend else ""
    return f"{MARKS[finding.severity]:<8}{finding.subject:<26}{finding.found}{mend}"


def _summary(findings: list[Finding]) -> str:
    counts = [(sum(one.severity is kind for one in findings), kind) for kind in (Severity.NEEDED, Severity.ADVISED)]
    said = ", ".join(f"{count} {kind.name.lower()}" for count, kind in counts if count)
    return f"\n{said}: the lines above say how to mend it" if said else "\nNothing is missing."


def examine(root: Path) -> Iterator[Finding]:
    """Look at the machine, and at the checkout in `root`."""
    yield Finding("Python", f"{sys.version.split()[0]}, of {tools.supported_python()}")
    yield from (_tool(tool) for tool in tools.TOOLS if tool.name != "Python")
    yield _there("data checks", root / ".venv-checks", "make setup")
    yield _there("data", root / "data", "uv run dvc pull data.dvc")
    yield _identity(root)
    yield from _branch(root)
    yield _disk(root)
    yield _owners(root / ".github" / "CODEOWNERS")
    for name in SETTINGS:
        yield Finding(name, os.environ.get(name) or "not set, so the default holds")


def _tool(tool: tools.Tool) -> Finding:
    """Advise the installation of an optional tool; any other one is needed."""
    if path := tool.find():
        return Finding(tool.name, path)
    if tool.source is tools.Source.OPTIONAL:
        return Finding(tool.name, "not found", f"{tool.fix}, for {tool.purpose}", Severity.ADVISED)
    return Finding(tool.name, "not found", tool.fix, Severity.NEEDED)


def _there(subject: str, path: Path, mend: str) -> Finding:
    if path.exists():
        return Finding(subject, str(path))
    return Finding(subject, f"{path} is not there", f"`{mend}`", Severity.NEEDED)


def _identity(root: Path) -> Finding:
    """The demo has an author of its own; commits of one's own need a name."""
    try:
        email = Git(root).setting("user.email")
    except GitError as error:
        return Finding("git identity", str(error), "run this in the root of a clone", Severity.ADVISED)
    if email:
        return Finding("git identity", email)
    mend = "`git config --global user.email YOU@EXAMPLE.COM`, before you commit"
    return Finding("git identity", "none", mend, Severity.ADVISED)


def _branch(root: Path) -> Iterator[Finding]:
    """Advise a rename of the default branch where no workflow would run on it; nothing where git does not know it."""
    try:
        branch = _default_branch(Git(root))
    except GitError:  # no repository: the finding on the identity quotes the error
        return
    if branch == doctor_github.BRANCH:
        yield Finding("branch", branch)
    elif branch:
        found = f"{branch} is the default one, and the workflows run on {doctor_github.BRANCH}"
        yield Finding("branch", found, doctor_github.renamed(branch), Severity.ADVISED)


def _default_branch(git: Git) -> str | None:
    """Return what `origin` calls its default branch, else the one the workflows run on, else the current one."""
    remote = git.symbolic_ref("refs/remotes/origin/HEAD")
    if remote:
        return remote.removeprefix("refs/remotes/origin/")
    known = [f"{place}/{doctor_github.BRANCH}" for place in ("refs/remotes/origin", "refs/heads")]
    if any(git.resolve(name) for name in known):
        return doctor_github.BRANCH
    return (git.symbolic_ref("HEAD") or "").removeprefix("refs/heads/") or None


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    if free >= FREE_GIGABYTES:
        return Finding("disk", f"{free:.0f} GB free")
    return Finding("disk", f"{free:.1f} GB free", f"free {FREE_GIGABYTES} GB", Severity.NEEDED)


def _owners(path: Path) -> Finding:
    if path.is_file() and PLACEHOLDER not in path.read_text(encoding="utf-8"):
        return Finding("code owners", str(path))
    return Finding("code owners", "are those of the template", f"put your team into {path}", Severity.ADVISED)

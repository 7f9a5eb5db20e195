"""`slipway doctor`: checks of this machine and of the repository on GitHub, with a fix for each problem."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import feature_store, locked_environment, output, tools
from slipway.dvc.files import default_remote
from slipway.environment import buckets
from slipway.errors import UserError
from slipway.git import Git, GitError
from slipway.git.redact import redacted
from slipway.local import doctor_github
from slipway.local.finding import Finding, Severity
from slipway.settings import PARAMS, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

FREE_GIGABYTES_MIN = 3  # for the packages, the data and a demo
SETTINGS = ("SLIPWAY_STORE", "SLIPWAY_COLLECTED", "SLIPWAY_IMAGES", "SLIPWAY_HOME", "STAGING_URL", "PRODUCTION_URL")
PLACEHOLDER = "@OWNER/"
LABELS = {Severity.FINE: "ok", Severity.ADVISED: "advised", Severity.NEEDED: "MISSING"}


def doctor() -> int:
    """Print every finding, and return the exit code: 0 if all is well, 1 for advice, 2 if something is missing."""
    findings = [*examine(Path()), *doctor_github.examine(Path())]
    worst = max(finding.severity for finding in findings)
    content = [asdict(finding) | {"severity": finding.severity.name.lower()} for finding in findings]
    text = "\n".join([*map(_line, findings), _summary(findings)])
    output.result({"severity": worst.name.lower(), "findings": content}, text)
    return int(worst)


def _line(finding: Finding) -> str:
    fix = f"; {finding.fix}" if finding.fix else ""
    return f"{LABELS[finding.severity]:<8}{finding.subject:<26}{finding.observed}{fix}"


def _summary(findings: list[Finding]) -> str:
    missing, advised = (
        sum(finding.severity is severity for finding in findings) for severity in (Severity.NEEDED, Severity.ADVISED)
    )
    counts = [f"{missing} missing"] * bool(missing) + [f"{advised} advised"] * bool(advised)
    return f"\n{', '.join(counts)}: see the fixes above" if counts else "\nNothing is missing."


def examine(root: Path) -> Iterator[Finding]:
    """Check the machine and the checkout in `root`."""
    yield Finding("Python", f"{sys.version.split()[0]} (supported: {tools.supported_python()})")
    yield from (_tool(tool) for tool in tools.TOOLS if tool.name != "Python")
    yield _path("data checks", root / ".venv-checks", "make setup")
    yield _path("data", root / "data", "uv run dvc pull data.dvc")
    yield _identity(root)
    yield from _branch(root)
    yield _disk(root)
    yield _owners(root / ".github" / "CODEOWNERS")
    yield _card(root / PARAMS)
    yield _remote(root)
    yield _feature_store()
    for name in SETTINGS:
        yield _setting(name)


def _tool(tool: tools.Tool) -> Finding:
    """Return whether a tool is installed. Optional ones are advised, all others are needed."""
    if path := tool.find():
        return Finding(tool.name, path)
    if tool.origin is tools.Origin.OPTIONAL:
        return Finding(tool.name, "not found", f"{tool.fix}, for {tool.purpose}", Severity.ADVISED)
    return Finding(tool.name, "not found", tool.fix, Severity.NEEDED)


def _path(subject: str, path: Path, command: str) -> Finding:
    if path.exists():
        return Finding(subject, str(path))
    return Finding(subject, f"{path} does not exist", f"`{command}`", Severity.NEEDED)


def _identity(root: Path) -> Finding:
    """Return whether git has an identity for the user's commits; the demo has its own."""
    try:
        email = Git(root).setting("user.email")
    except GitError as error:
        return Finding("git identity", str(error), "run this in the root of a clone", Severity.ADVISED)
    if email:
        return Finding("git identity", email)
    fix = "`git config --global user.email YOU@EXAMPLE.COM` before you commit"
    return Finding("git identity", "none", fix, Severity.ADVISED)


def _branch(root: Path) -> Iterator[Finding]:
    """Advise to rename a default branch that triggers no workflow. Yields nothing if git does not know the branch."""
    try:
        branch = _default_branch(Git(root))
    except GitError:  # no repository; the finding on the identity reports it
        return
    if branch == doctor_github.BRANCH:
        yield Finding("branch", branch)
    elif branch:
        observed = f"the default is {branch}, but the workflows run on {doctor_github.BRANCH}"
        yield Finding("branch", observed, doctor_github.rename_commands(branch), Severity.ADVISED)


def _default_branch(git: Git) -> str | None:
    """Return the default branch of `origin`, else the workflows' branch if it exists, else the current branch."""
    remote = git.symbolic_ref("refs/remotes/origin/HEAD")
    if remote:
        return remote.removeprefix("refs/remotes/origin/")
    references = [f"{prefix}/{doctor_github.BRANCH}" for prefix in ("refs/remotes/origin", "refs/heads")]
    if any(git.resolve(reference) for reference in references):
        return doctor_github.BRANCH
    return (git.symbolic_ref("HEAD") or "").removeprefix("refs/heads/") or None


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    if free >= FREE_GIGABYTES_MIN:
        return Finding("disk", f"{free:.0f} GB free")
    return Finding("disk", f"{free:.1f} GB free", f"free {FREE_GIGABYTES_MIN} GB", Severity.NEEDED)


def _card(params: Path) -> Finding:
    """Return which keys of the cards of a release are empty."""
    try:
        stated = read_settings(params).card
    except UserError as error:
        return Finding("cards", str(error), f"correct {PARAMS}", Severity.NEEDED)
    empty = [f"card.{name}" for name, text in stated.model_dump().items() if not text.strip()]
    if not empty:
        return Finding("cards", f"every key of `card` in {PARAMS} has a text")
    return Finding("cards", f"empty: {', '.join(empty)}", f"state them in {PARAMS}", Severity.ADVISED)


def _remote(root: Path) -> Finding:
    """Return whether DVC can use its default remote, and hashes what it fetches."""
    remote = default_remote(root)
    service, url = buckets.service_of_remote(remote.url), redacted(remote.url)
    if service and not _is_installed(service.dvc_package):
        return _uninstalled("DVC remote", url, service.dvc_package, service.group)
    if remote.url and not remote.verify:
        fix = f"`dvc remote modify {remote.name} verify true`"
        return Finding("DVC remote", f"{url}, and DVC does not hash what it fetches", fix, Severity.ADVISED)
    return Finding("DVC remote", url or "none")


def _feature_store() -> Finding:
    """Return where Feast is installed; without it nothing is missing, because its first command installs it."""
    folder = locked_environment.folder(feature_store.REQUIREMENTS)
    if locked_environment.is_installed(feature_store.REQUIREMENTS):
        return Finding("feature store", str(folder))
    return Finding("feature store", "not installed; the first command of `slipway features` installs it: 540 MB")


def _setting(name: str) -> Finding:
    """Return the value of a setting, and whether the package for its bucket is installed."""
    url = redacted(os.environ.get(name, ""))
    service = buckets.service_of(url)
    if service and not _is_installed(service.package):
        return _uninstalled(name, url, service.package, service.group)
    return Finding(name, url or "not set; the default applies")


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _uninstalled(subject: str, url: str, package: str, group: str) -> Finding:
    observed = f"{url}, but {package} is not installed"
    return Finding(subject, observed, f"`uv sync --inexact --group {group}`", Severity.NEEDED)


def _owners(path: Path) -> Finding:
    if path.is_file() and PLACEHOLDER not in path.read_text(encoding="utf-8"):
        return Finding("code owners", str(path))
    return Finding("code owners", f"{path} names the template's placeholder", "enter your team there", Severity.ADVISED)

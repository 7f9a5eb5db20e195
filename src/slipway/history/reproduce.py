"""The rebuild of a release from its commit and data, `slipway reproduce VERSION`, and the differences."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from slipway import output, results
from slipway.dvc.files import DvcFiles
from slipway.environment.deploy_branch import DeployBranch
from slipway.errors import ToolError
from slipway.gates import Outcome, Verdict
from slipway.gates.comparison_evidence import ComparisonEvidence, Released
from slipway.git import Git
from slipway.git.changes import differences, flat
from slipway.git.command import EXACT_BYTES
from slipway.release import manifest as release
from slipway.release.champion import fetch_published
from slipway.results import Job, JobResult
from slipway.schema.bounds import Evidence, Maybe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from slipway.release.manifest import Release
    from slipway.release.store import Store

LOCK_FILE = "uv.lock"
RELEASE_FOLDER = "build/release"
TRAIN_ARGUMENTS = ("-m", "slipway.cli", "train")
BUILD_ARGUMENTS = ("-m", "slipway.cli", "release", "build", "--output", RELEASE_FOLDER)
FILES_PREFIX = "files."


class ReproductionEvidence(Evidence):
    """Evidence of the job `reproduce`."""

    release: str
    digest: str
    """Digest of the rebuilt release."""
    differences: dict[str, tuple[Any, Any]]
    """Published and rebuilt value of each differing entry of the manifests."""


REPRODUCE: Final = Job("reproduce", JobResult[Maybe[ReproductionEvidence]])


@dataclass(frozen=True)
class Reproduction:
    """A rebuilt release, and the published one."""

    published: Release
    rebuilt: Release

    @property
    def differences(self) -> dict[str, tuple[Any, Any]]:
        """Return (published, rebuilt) of each differing entry of the manifests; each file is an entry, by its hash."""
        return differences(flat(self.published.manifest.content()), flat(self.rebuilt.manifest.content()))

    @property
    def verdict(self) -> Verdict:
        """Return the verdict: a pass for the same digest, and whether at least the model is the same."""
        names = list(self.differences)
        model = (
            "another model" if any(name.startswith(f"{FILES_PREFIX}model/model.") for name in names) else "same model"
        )
        outcome = Outcome.FAIL if names else Outcome.PASS
        return Verdict("reproduced", outcome, self.published.digest, self.rebuilt.digest, "; ".join([model, *names]))


def reproduce(
    root: Path,
    version: str,
    scratch: Path,
    store: Store,
    train: Sequence[str] = TRAIN_ARGUMENTS,
    build: Sequence[str] = BUILD_ARGUMENTS,
) -> Reproduction:
    """Rebuild a release: clone its commit into `scratch`, fetch its data, run its pipeline and build it.

    train, build: arguments for the Python of the commit. Raises UserError if a step fails.
    """
    branch = DeployBranch(Git(root))
    branch.fetch()
    entry = branch.published(version)
    published = fetch_published(entry, scratch / "published", store)
    clone = _clone(root, entry.built_from, scratch / "again")
    python = _python(root, clone)
    _run(clone, python, train)
    _write_champion(clone, published.manifest.champion)
    _run(clone, python, build)
    return Reproduction(published, release.verify(clone / RELEASE_FOLDER))


def _clone(root: Path, commit: str, folder: Path) -> Path:
    """Clone a commit into `folder`; its `origin` becomes that of `root`, which has the versions."""
    git = Git(root)
    remote = git.run("remote", "get-url", "origin")
    origin = (root / remote).resolve() if (root / remote).exists() else remote
    exact = [flag for name, value in EXACT_BYTES.items() for flag in ("--config", f"{name}={value}")]
    git.run("clone", "--quiet", "--no-checkout", *exact, str(root.resolve()), str(folder.resolve()))
    clone = Git(folder)
    clone.run("remote", "set-url", "origin", str(origin))
    clone.run("checkout", "--quiet", "--detach", commit)
    return folder


def _python(root: Path, clone: Path) -> str:
    """Return a Python with the packages that the commit locks: the current one if they match, else a new one."""
    paths = [folder / LOCK_FILE for folder in (root, clone)]
    locks = [path.read_bytes() if path.exists() else b"" for path in paths]
    if locks[0] == locks[1]:
        return sys.executable
    _call(clone, ["uv", "sync", "--frozen", "--quiet"])
    return str(clone / ".venv/bin/python")


def _write_champion(clone: Path, champion: Released | None) -> None:
    """Write the comparison's result with the champion of that time, from the manifest: the build requires it."""
    dvc = DvcFiles.read(clone)
    evidence = ComparisonEvidence(
        rows=0,
        candidate=dvc.outputs[dvc.model.as_posix()],
        champion=champion,
    )
    with results.recorded(results.COMPARE, clone / results.RESULTS) as result:
        result.evidence = evidence


def _run(clone: Path, python: str, arguments: Sequence[str]) -> None:
    """Run the code of the commit with an empty store, because with the real one it would reuse the release."""
    empty = (clone / "build/no-store").absolute().as_uri()
    _call(clone, [python, *arguments], PYTHONPATH=str(clone / "src"), PATH=_path(python), SLIPWAY_STORE=empty)


def _path(python: str) -> str:
    """Return a PATH that starts with the folder of `python`, because the pipeline calls its tools by name."""
    return os.pathsep.join([python.rpartition("/")[0], os.environ.get("PATH", "")])


def _call(folder: Path, command: Sequence[str], **variables: str) -> None:
    """Run a command, and forward its output to stderr as it runs. Raises UserError with its last line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "VIRTUAL_ENV"))}
    last = "no reason given"
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            output.warn(line.rstrip())
            last = line.strip() or last
    if process.returncode:
        raise ToolError(f"{' '.join(command[1:])} in {folder}: {last}")


def record(result: JobResult[ReproductionEvidence | None], reproduction: Reproduction) -> None:
    """Fill in the job's result with the evidence and verdict of a reproduction."""
    result.evidence = ReproductionEvidence(
        release=reproduction.published.version,
        digest=reproduction.rebuilt.digest,
        differences=reproduction.differences,
    )
    result.verdicts = [reproduction.verdict]


def text(reproduction: Reproduction) -> Iterator[str]:
    """Yield the result, and a line for each difference."""
    same = not reproduction.differences
    digest = reproduction.rebuilt.digest
    yield f"{reproduction.published.version}: {'the same digest' if same else 'another digest'}, {digest}"
    for name, (published, rebuilt) in reproduction.differences.items():
        yield f"  {name.removeprefix(FILES_PREFIX)}: published {published}, rebuilt {rebuilt}"

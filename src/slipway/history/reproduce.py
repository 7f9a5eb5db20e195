"""`slipway reproduce VERSION`: a release made again from its commit and its data, and what differs if anything does."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway import results
from slipway.changes import differences, flat
from slipway.delivery import release
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.dvc_files import DvcFiles
from slipway.delivery.store import fetch
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.git.command import EXACT_BYTES
from slipway.results import JobResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from slipway.delivery.release import Release
    from slipway.delivery.store import Store

LOCKED = "uv.lock"
BUILT = "build/release"
TRAIN = ("-m", "slipway.cli", "train")
BUILD = ("-m", "slipway.cli", "release", "build", "--output", BUILT)
FILES = "files."


@dataclass(frozen=True)
class Reproduction:
    """A release that was made again, beside the one that was published."""

    published: Release
    again: Release

    @property
    def differences(self) -> dict[str, tuple[Any, Any]]:
        """(published, again) of each entry of the two manifests that differs; each file is one, by its hash."""
        return differences(flat(self.published.manifest), flat(self.again.manifest))

    @property
    def verdict(self) -> Verdict:
        """Whether the digest is the same, and whether at least the model is."""
        found = self.differences
        model = "same model" if not any(name.startswith(f"{FILES}model/model.") for name in found) else "another model"
        outcome = Outcome.FAIL if found else Outcome.PASS
        return Verdict("reproduced", outcome, self.published.digest, self.again.digest, "; ".join([model, *found]))


def reproduce(
    root: Path, version: str, scratch: Path, store: Store, train: Sequence[str] = TRAIN, build: Sequence[str] = BUILD
) -> Reproduction:
    """Clone the commit of a release into `scratch`, fetch its data, run its pipeline and build it.

    `train` and `build` are what the commit's own Python is called with. Raises UserError when a step fails.
    """
    branch = DeployBranch(Git(root))
    branch.fetch()
    known = branch.published(version)
    published = fetch(store, version, known.digest, scratch / "published")
    clone = _clone(root, known.built_from, scratch / "again")
    python = _python(root, clone)
    _run(clone, python, train)
    _tell_champion(clone, published.manifest)
    _run(clone, python, build)
    return Reproduction(published, release.verify(clone / BUILT))


def _clone(root: Path, commit: str, folder: Path) -> Path:
    """The commit and nothing else of the work tree; its `origin` is that of `root`, which knows the versions."""
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
    """The Python of the packages that the commit locks: this one if they are the same, else one that is made."""
    locks = [(folder / LOCKED).read_bytes() if (folder / LOCKED).exists() else b"" for folder in (root, clone)]
    if locks[0] == locks[1]:
        return sys.executable
    _call(clone, ["uv", "sync", "--frozen", "--quiet"])
    return str(clone / ".venv/bin/python")


def _tell_champion(clone: Path, manifest: Mapping[str, Any]) -> None:
    """What the release was compared with was in production then; the manifest says so, and the build asks for it."""
    dvc = DvcFiles.read(clone)
    evidence = {"candidate": dvc.outputs[dvc.model.as_posix()], "champion": manifest.get("champion")}
    with results.recorded("compare", clone / results.RESULTS) as result:
        result.evidence = evidence


def _run(clone: Path, python: str, arguments: Sequence[str]) -> None:
    """Run the commit's own code. It sees no store: there it would find the release, and not build it again."""
    empty = (clone / "build/no-store").absolute().as_uri()
    _call(clone, [python, *arguments], PYTHONPATH=str(clone / "src"), PATH=_path(python), SLIPWAY_STORE=empty)


def _path(python: str) -> str:
    """With the tools beside `python` first: the pipeline calls them by name."""
    return os.pathsep.join([python.rpartition("/")[0], os.environ.get("PATH", "")])


def _call(folder: Path, command: Sequence[str], **variables: str) -> None:
    """Run a command, and show what it prints on stderr as it goes. Raises UserError with its last word."""
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
            print(line.rstrip(), file=sys.stderr, flush=True)
            last = line.strip() or last
    if process.returncode:
        raise UserError(f"{' '.join(command[1:])} in {folder}: {last}")


def record(result: JobResult, found: Reproduction) -> None:
    """What a reproduction showed, as a job's result."""
    result.evidence = {
        "release": found.published.version,
        "digest": found.again.digest,
        "differences": {name: list(pair) for name, pair in found.differences.items()},
    }
    result.verdicts = [found.verdict]


def text(found: Reproduction) -> Iterator[str]:
    """The answer, and a line for each difference."""
    same = not found.differences
    yield f"{found.published.version}: {'the same digest' if same else 'differs'}, {found.again.digest}"
    for name, (before, after) in found.differences.items():
        yield f"  {name.removeprefix(FILES)}: published {before}, again {after}"

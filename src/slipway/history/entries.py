"""The history of runs, releases and promotions, read from git and from the results in the store.

A release is a commit on `deploy` with its `dvc.lock` and metrics, and a promotion is another commit there. A run of the
pipeline on a branch is a commit that changed `dvc.lock`. The stored results record who ran a job, when and where, and
the champion of the comparison. There is no separate database that could disagree with them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from slipway import results
from slipway.dvc.files import LOCK
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.desired_state import DesiredState
from slipway.environment.place import ENVIRONMENTS
from slipway.environment.versions import VERSION
from slipway.errors import ArgumentError
from slipway.git.changes import differences
from slipway.history import snapshot
from slipway.history.records import JobRecord, SnapshotDiff
from slipway.release.evidence import RESULT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.environment.deploy_branch import Published
    from slipway.environment.desired_state import Promotion
    from slipway.git import Git
    from slipway.git.history import Commit
    from slipway.release.store import Store

HERE = "here"
"""Name of the work tree, in place of a version or a commit."""
COMMIT_DIGITS = 7  # of a commit in a list
UNREADABLE = "an unreadable environment file"
UNKNOWN_USER = "unknown"  # recorded on a machine without a user name
JOBS = ("build", "train", "compare")


@dataclass(frozen=True)
class Entry:
    """A run of the pipeline, or the release built from it."""

    name: str
    commit: str
    """Commit of the code."""
    time: str
    by: str
    because: str
    """Subject of the commit that caused it."""
    files: snapshot.Snapshot
    digest: str | None = None
    champion: str | None = None
    decisions: list[str] = field(default_factory=list)
    jobs: dict[str, JobRecord] = field(default_factory=dict)
    """Start, duration, user and workflow run of each job that has a stored result."""


class History:
    """The history of a repository and its store."""

    def __init__(self, git: Git, store: Store) -> None:
        self.git, self.store, self.branch = git, store, DeployBranch(git)
        self.branch.fetch()

    def entries(self, limit: int) -> list[Entry]:
        """Return the newest `limit` releases, and the newest `limit` runs of HEAD without a release, newest first."""
        newest = list(reversed(self.branch.versions()))[:limit]
        stored = set(self.store.versions())
        promotions = {name: DesiredState(self.branch, name).history() for name in ENVIRONMENTS}
        releases = [self._release(self.branch.published(version), version in stored, promotions) for version in newest]
        released = {release.commit for release in releases}
        runs = [self._run(commit) for commit in self.git.history("HEAD", paths=[LOCK], limit=limit)]
        entries = [*self._here(), *releases, *(run for run in runs if run.commit not in released)]
        return sorted(entries, key=lambda entry: datetime.fromisoformat(entry.time), reverse=True)

    def diff(self, before: str, after: str) -> SnapshotDiff:
        """Return the differences of two releases, commits or work trees, and the commits between them.

        Raises UserError for an unknown name.
        """
        (old_files, old_code), (new_files, new_code) = self._commits(before), self._commits(after)
        old, new = (asdict(snapshot.read(self.git, commit)) for commit in (old_files, new_files))
        parts = {part: differences(old[part], new[part]) for part in old}
        commits = list(self._between(old_code, new_code))
        return SnapshotDiff(before=before, after=after, **parts, commits=commits)

    def _between(self, old: str, new: str) -> Iterator[str]:
        """Yield a line for each commit that only one of the two contains, newest first."""
        sides = (("-", self.git.history(old, f"^{new}")), ("+", self.git.history(new, f"^{old}")))
        commits = [(commit.committed, sign, commit) for sign, side in sides for commit in side]
        for _, sign, commit in sorted(commits, key=lambda commit: commit[0], reverse=True):
            yield f"{sign} {commit.id[:COMMIT_DIGITS]} {commit.subject}"

    def _commits(self, name: str) -> tuple[str | None, str]:
        """Return the commit with the files of `name`, None for the work tree, and the commit of its code."""
        if name == HERE:
            return None, self.git.read_commit("HEAD").id
        if VERSION.fullmatch(name):
            release = self.branch.published(name)
            return release.commit, release.built_from
        commit = self.git.resolve(name)
        if commit is None:
            raise ArgumentError(f"{name}: neither a release nor a commit nor `{HERE}`; `slipway history` lists them")
        return commit, commit

    def _release(self, published: Published, is_stored: bool, promotions: Mapping[str, Sequence[Promotion]]) -> Entry:
        jobs = dict(self._jobs(published.version)) if is_stored else {}
        released, built_from = self.git.read_commits([published.commit, published.built_from])
        user = jobs["build"].by if "build" in jobs else None
        compared = jobs["compare"].champion if "compare" in jobs else None
        return Entry(
            name=published.version,
            commit=published.built_from,
            time=released.committed.isoformat(),
            by=user if user and user != UNKNOWN_USER else released.author,
            because=built_from.subject,
            files=snapshot.read(self.git, published.commit),
            digest=published.digest,
            champion=compared.version if compared else None,
            decisions=list(decisions(published.version, promotions)),
            jobs=jobs,
        )

    def _here(self) -> Iterator[Entry]:
        """Yield the last run in the work tree, committed or not."""
        last = results.find(results.TRAIN, self.git.folder / results.RESULTS)
        if last:
            files, by = snapshot.read(self.git, None), last.evidence.by if last.evidence else ""
            commit = last.evidence.commit if last.evidence else self.git.read_commit("HEAD").id
            jobs = {"train": JobRecord.parse(last.model_dump_json())}
            yield Entry(HERE, commit, last.started.isoformat(), by, "", files, jobs=jobs)

    def _run(self, commit: Commit) -> Entry:
        time, files = commit.committed.isoformat(), snapshot.read(self.git, commit.id)
        return Entry(commit.id[:12], commit.id, time, commit.author, commit.subject, files)

    def _jobs(self, version: str) -> Iterator[tuple[str, JobRecord]]:
        """Yield the newest stored result of each of JOBS for a release."""
        kept = {
            match[1]: match[0]
            for name in sorted(self.store.evidence_names(version))
            if (match := RESULT_FILE.fullmatch(name))
        }
        for job in JOBS:
            if job in kept:
                yield job, JobRecord.parse(self.store.read_evidence(version, kept[job]))


def decisions(version: str, promotions: Mapping[str, Sequence[Promotion]]) -> Iterator[str]:
    """Yield the decisions on a release in each environment, oldest first; `promotions` are newest first."""
    for environment, newest_first in promotions.items():
        before = None
        for promotion in reversed(newest_first):
            now = _content(promotion)
            if now != before and version in {now, before}:
                is_canary = promotion.content is not None and promotion.content.canary is not None
                decision = (
                    f"replaced by {now or 'nothing'}" if now != version else "canary" if is_canary else "promoted"
                )
                yield f"{environment}: {decision} {promotion.time[:16].replace('T', ' ')} by {promotion.author}"
            before = now


def _content(promotion: Promotion) -> str | None:
    """Return the release that a promotion deployed; None if it removed the file, or UNREADABLE."""
    if promotion.problem:
        return UNREADABLE
    return promotion.content.release if promotion.content else None

"""What was ever trained, released and decided, read from where it is kept: git, and the results beside the releases.

A release is a commit on `deploy` with the fresh `dvc.lock` and the metrics, a promotion is another, and a run of the
pipeline on a branch is a commit that changed `dvc.lock`. Who ran a job, when and where, and what the release was
compared with, is in the results that the store keeps. There is no database that could disagree with them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slipway import results
from slipway.changes import differences
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.evidence import RESULT_FILE
from slipway.delivery.home import ENVIRONMENTS
from slipway.delivery.versions import VERSION
from slipway.errors import UserError
from slipway.history import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.delivery.desired_state import Promotion, Published
    from slipway.delivery.store import Store
    from slipway.git import Git
    from slipway.git.history import Commit

HERE = "here"
"""Names the work tree, in place of a version or a commit."""
SHORT = 7  # digits of a commit in a list
UNREADABLE = "a content that cannot be read"
UNKNOWN = "unknown"  # what a machine without a user's name says of itself
JOBS = ("build", "train", "compare")
SHOWN = ("by", "run", "machine", "python", "stages", "resources", "stale", "changed_files", "champion", "candidate")
"""What is told of a job's evidence."""


@dataclass(frozen=True)
class Entry:
    """A run of the pipeline, or the release that came of one."""

    name: str
    commit: str
    """Of the code."""
    time: str
    by: str
    because: str
    """Subject of the commit that asked for it."""
    files: snapshot.Snapshot
    digest: str | None = None
    champion: str | None = None
    decisions: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """When each job ran, how long, by whom and in which workflow run; as far as the store keeps it."""


class History:
    """The history of a repository and its store."""

    def __init__(self, git: Git, store: Store) -> None:
        self.git, self.store, self.branch = git, store, DeployBranch(git)
        self.branch.fetch()

    def entries(self, limit: int) -> list[Entry]:
        """The newest `limit` releases and the newest `limit` runs of HEAD that became none, newest first."""
        newest = list(reversed(self.branch.versions()))[:limit]
        stored, promotions = set(self.store.versions()), {name: self.branch.history(name) for name in ENVIRONMENTS}
        releases = [self._release(self.branch.published(one), one in stored, promotions) for one in newest]
        released = {one.commit for one in releases}
        runs = [self._run(commit) for commit in self.git.history("HEAD", paths=[snapshot.LOCK], limit=limit)]
        found = [*self._here(), *releases, *(one for one in runs if one.commit not in released)]
        return sorted(found, key=lambda one: datetime.fromisoformat(one.time), reverse=True)

    def diff(self, before: str, after: str) -> dict[str, Any]:
        """What differs between two of releases, commits and the work tree: (before, after) by name, and the commits."""
        (one, old), (other, new) = self._commits(before), self._commits(after)
        sides = [asdict(snapshot.read(self.git, commit)) for commit in (one, other)]
        found = {part: differences(sides[0][part], sides[1][part]) for part in sides[0]}
        return {"before": before, "after": after, **found, "commits": list(self._between(old, new))}

    def _between(self, old: str, new: str) -> Iterator[str]:
        """Yield a line on each commit that only one of the two has, newest first."""
        sides = (("-", self.git.history(old, f"^{new}")), ("+", self.git.history(new, f"^{old}")))
        commits = [(commit.committed, sign, commit) for sign, side in sides for commit in side]
        for _, sign, commit in sorted(commits, key=lambda one: one[0], reverse=True):
            yield f"{sign} {commit.id[:SHORT]} {commit.subject}"

    def _commits(self, name: str) -> tuple[str | None, str]:
        """The commit whose files tell of `name`, None for the work tree; and the commit of its code."""
        if name == HERE:
            return None, self.git.read_commit("HEAD").id
        if VERSION.fullmatch(name):
            one = self.branch.published(name)
            return one.commit, one.built_from
        commit = self.git.resolve(name)
        if commit is None:
            raise UserError(f"{name}: neither a release nor a commit nor `{HERE}`; see `slipway history`")
        return commit, commit

    def _release(self, one: Published, is_stored: bool, promotions: Mapping[str, Sequence[Promotion]]) -> Entry:
        jobs = dict(self._jobs(one.version)) if is_stored else {}
        released, built_from = self.git.read_commits([one.commit, one.built_from])
        return Entry(
            name=one.version,
            commit=one.built_from,
            time=released.committed.isoformat(),
            by=_known(jobs.get("build", {}).get("by")) or released.author,
            because=built_from.subject,
            files=snapshot.read(self.git, one.commit),
            digest=one.digest,
            champion=(jobs.get("compare", {}).get("champion") or {}).get("version"),
            decisions=list(decisions(one.version, promotions)),
            jobs=jobs,
        )

    def _here(self) -> Iterator[Entry]:
        """The last run in the work tree, whether or not it was committed."""
        last = results.read(self.git.folder / results.RESULTS).get("train")
        if last:
            evidence, files = last.evidence, snapshot.read(self.git, None)
            commit = evidence.get("commit", self.git.read_commit("HEAD").id)
            jobs = {"train": _job(last.model_dump(mode="json"))}
            yield Entry(HERE, commit, last.started.isoformat(), evidence.get("by", ""), "", files, jobs=jobs)

    def _run(self, commit: Commit) -> Entry:
        time, files = commit.committed.isoformat(), snapshot.read(self.git, commit.id)
        return Entry(commit.id[:12], commit.id, time, commit.author, commit.subject, files)

    def _jobs(self, version: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The newest result of each of JOBS that is kept beside a release."""
        kept = {
            match[1]: match[0]
            for name in sorted(self.store.evidence_names(version))
            if (match := RESULT_FILE.fullmatch(name))
        }
        for job in JOBS:
            if job in kept:
                yield job, _job(json.loads(self.store.read_evidence(version, kept[job])))


def _known(by: str | None) -> str | None:
    return None if by == UNKNOWN else by


def _job(result: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: result["evidence"][key] for key in SHOWN if key in result["evidence"]}
    return {"started": result["started"], "seconds": result["seconds"], **shown}


def decisions(version: str, promotions: Mapping[str, Sequence[Promotion]]) -> Iterator[str]:
    """What became of a release in each environment, oldest first; `promotions` are newest first."""
    for environment, ones in promotions.items():
        before = None
        for one in reversed(ones):
            now = UNREADABLE if one.problem else one.content.release if one.content else None
            if now != before and version in {now, before}:
                became = f"left for {now}" if now != version else "canary" if one.content.canary else "promoted"
                yield f"{environment}: {became} {one.time[:16].replace('T', ' ')} by {one.author}"
            before = now

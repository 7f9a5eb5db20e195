"""What a pull request says was checked before: nothing of it is believed that its base did not say, too.

The stage `data` passes over files that the evidence of the run before accepted, and DVC passes over a stage that
`dvc.lock` calls up to date. Both files are part of a pull request, and nobody reads them line by line.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import changes, yaml12
from slipway.gates import Outcome, Verdict
from slipway.git import Git, GitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOCK = Path("dvc.lock")
GATE = "data evidence"
NAMED = 3  # claims that a verdict names


@dataclass(frozen=True)
class Said:
    """What a commit says of the stage: its evidence, and its entry in dvc.lock; empty for none."""

    evidence: Mapping[str, Any]
    locked: Mapping[str, Any]


def of_base(evidence: Path, stage: str) -> Said | None:
    """Return what the base says; None where there is no pull request.

    A base that cannot be read is reported and says nothing, so that everything is checked.
    """
    branch = changes.base_branch()
    if not branch:
        return None
    git = Git(Path())
    try:
        commit = changes.merge_base(git, f"origin/{branch}")
        said, lock = (git.read_text(commit, f"./{path}") or "" for path in (evidence, LOCK))
    except GitError as error:
        print(f"{stage}: the base cannot be read ({error}), so everything is checked", file=sys.stderr, flush=True)
        return Said({}, {})
    return Said(_mapping(json.loads, said), _entry(lock, stage))


def of_work_tree(evidence: Path, stage: str) -> Said:
    """What the pull request itself says."""
    said, lock = (path.read_text(encoding="utf-8") if path.exists() else "" for path in (evidence, LOCK))
    return Said(_mapping(json.loads, said), _entry(lock, stage))


def _entry(lock: str, stage: str) -> Mapping[str, Any]:
    stages = _mapping(yaml12.parse, lock).get("stages")
    return stages.get(stage) or {} if isinstance(stages, dict) else {}


def _mapping(parse: Callable[[str], Any], text: str) -> dict[str, Any]:
    """What is broken, or no mapping, says nothing."""
    try:
        content = parse(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def verdict(claimed: Mapping[str, Any], found: Mapping[str, Any], base: Mapping[str, Any]) -> Verdict:
    """Gate on the evidence that a pull request brought: it claims nothing but what was `found`, or its `base` said.

    A claim for a file that is yet to come would let it pass unchecked later.
    """
    forged = sorted(_claims(claimed) - _claims(found) - _claims(base))
    named = ", ".join(name for name, _ in forged[:NAMED])
    reason = f"{named}: run `slipway data`, and commit what it writes" if forged else ""
    outcome = Outcome.FAIL if forged else Outcome.PASS
    return Verdict(GATE, outcome, "claims what was checked, and no more", f"{len(forged)} claims too many", reason)


def _claims(evidence: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Name and content of each claim: a file that is accepted, or the record of one, whatever the rules were then."""
    accepted, records = evidence.get("accepted"), evidence.get("files")
    found = {("accepted", str(digest)) for digest in accepted} if isinstance(accepted, list) else set()
    if isinstance(names := evidence.get("accepted_files"), dict):
        found |= {(f"accepted as {name}", str(digest)) for name, digest in names.items()}
    return found | ({_record(one) for one in records} if isinstance(records, list) else set())


def _record(record: Any) -> tuple[str, str]:
    if not isinstance(record, dict):
        return "record", str(record)
    content = {name: value for name, value in record.items() if name != "rules"}
    return f"record of {record.get('file')}", json.dumps(content, sort_keys=True)

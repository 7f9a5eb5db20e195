"""Claims of a pull request about earlier checks: only claims that its base makes too are trusted.

The stage `data` skips files that the evidence of the previous run accepted, and DVC skips a stage that is up to date in
`dvc.lock`. A pull request can change both files, and reviewers do not read them line by line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import output
from slipway.dvc.files import LOCK, entry_of
from slipway.gates import Outcome, Verdict
from slipway.git import Git, GitError, changes

if TYPE_CHECKING:
    from collections.abc import Mapping

GATE = "data evidence"
NAMED_CLAIMS_MAX = 3  # claims that a verdict names


@dataclass(frozen=True)
class Claims:
    """The claims of a commit about the stage: its evidence, and its entry in dvc.lock; empty for none."""

    evidence: Mapping[str, Any]
    locked: Mapping[str, Any]


def of_base(evidence: Path, stage: str) -> Claims | None:
    """Return the claims of the base, or None where there is no pull request.

    A base that cannot be read is reported and claims nothing, so that everything is checked.
    """
    branch = changes.base_branch()
    if not branch:
        return None
    git = Git(Path())
    try:
        commit = changes.merge_base(git, f"origin/{branch}")
        content, lock = (git.read_text(commit, f"./{path}") or "" for path in (evidence, LOCK))
    except GitError as error:
        output.warn(f"{stage}: cannot read the base ({error}), so everything is checked")
        return Claims({}, {})
    return Claims(_mapping(content), entry_of(lock, stage))


def of_work_tree(evidence: Path, stage: str) -> Claims:
    """Return the claims of the work tree, so of the pull request itself."""
    content, lock = (path.read_text(encoding="utf-8") if path.exists() else "" for path in (evidence, Path(LOCK)))
    return Claims(_mapping(content), entry_of(lock, stage))


def _mapping(text: str) -> dict[str, Any]:
    """Return the mapping in JSON; empty where it is invalid or not a mapping."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def verdict(claimed: Mapping[str, Any], measured: Mapping[str, Any], base: Mapping[str, Any]) -> Verdict:
    """Return the verdict on committed evidence, whose claims must all be in the `measured` or the `base` evidence.

    A claim about a file that does not exist yet would let that file pass unchecked later.
    """
    forged = sorted(_claims(claimed) - _claims(measured) - _claims(base))
    named = ", ".join(name for name, _ in forged[:NAMED_CLAIMS_MAX])
    reason = f"{named}: run `slipway data`, and commit the files that it writes" if forged else ""
    outcome = Outcome.FAIL if forged else Outcome.PASS
    return Verdict(GATE, outcome, "every claim is supported by the checks", f"{len(forged)} unsupported claims", reason)


def _claims(evidence: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return name and content of each claim: an accepted file, or the record of a file under any rules."""
    accepted, records = evidence.get("accepted"), evidence.get("files")
    claims = {("accepted", str(digest)) for digest in accepted} if isinstance(accepted, list) else set()
    if isinstance(names := evidence.get("accepted_files"), dict):
        claims |= {(f"accepted as {name}", str(digest)) for name, digest in names.items()}
    return claims | ({_record(record) for record in records} if isinstance(records, list) else set())


def _record(record: Any) -> tuple[str, str]:
    if not isinstance(record, dict):
        return "record", str(record)
    content = {name: value for name, value in record.items() if name != "rules"}
    return f"record of {record.get('file')}", json.dumps(content, sort_keys=True)

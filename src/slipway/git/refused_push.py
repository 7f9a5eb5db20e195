"""Reasons for which a remote refuses a push, parsed from `git push --porcelain`: a race, or a rule of the remote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway.errors import RemoteMovedError
from slipway.git.command import GitError, remote_lines
from slipway.git.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = re.compile(r"!\t(?P<refs>[^\t]*)\t\[(?P<kind>[^\]]*)\](?: \((?P<reason>.*)\))?")
RACE_REASONS = ("non-fast-forward", "fetch first", "stale info", "already exists", "needs force")
ATOMIC_REASON = "atomic push failed"
"""git's reason for the remaining refs of an atomic push, after it rejected one of them."""


class PushRaceError(GitError, RemoteMovedError):
    """The remote's refs moved in the meantime; nothing was changed, and a retry may succeed."""


class PushRejectedError(GitError):
    """The remote rejected the push by a rule or a missing permission; the message quotes its reason."""


def error(remote: str, stdout: str, stderr: str) -> GitError | None:
    """Return the error for a refused push; None when the push failed before the remote judged the refs."""
    refused = list(_refused(stdout))
    if not refused:
        return None
    for ref, kind, reason in refused:
        if kind != "rejected" or reason not in {*RACE_REASONS, ATOMIC_REASON}:
            return PushRejectedError(redacted(_rejection(remote, ref, kind, reason, stderr)))
    ref, _, reason = next((refusal for refusal in refused if refusal[2] in RACE_REASONS), refused[0])
    return PushRaceError(f"{remote}: another push changed {ref} first ({reason}); nothing was changed, run it again")


def _refused(stdout: str) -> Iterator[tuple[str, str, str]]:
    """Yield (ref on the remote, kind, reason) for each refused ref."""
    for line in stdout.splitlines():
        if match := REFUSED.fullmatch(line):
            yield match["refs"].rpartition(":")[2].removeprefix("refs/heads/"), match["kind"], match["reason"] or ""


def _rejection(remote: str, ref: str, kind: str, reason: str, stderr: str) -> str:
    quoted = [f"remote: {line}" for line in remote_lines(stderr.splitlines())]
    return "; ".join([f"{remote}: refused the push to {ref}: {reason or kind}", *quoted, "nothing was changed"])

"""Why a remote refused a push, from `git push --porcelain`: a race, which another attempt wins, or its own reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway.git.command import GitError, remote_lines
from slipway.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = re.compile(r"!\t(?P<refs>[^\t]*)\t\[(?P<kind>[^\]]*)\](?: \((?P<reason>.*)\))?")
RACES = ("non-fast-forward", "fetch first", "stale info", "already exists", "needs force")
CONSEQUENCE = "atomic push failed"
"""Reason that git gives for the other refs of an atomic push."""


class PushRaceError(GitError):
    """The remote's refs moved in the meantime; nothing was changed, and another attempt may succeed."""


class PushRejectedError(GitError):
    """The remote refused the push for a reason of its own, such as a rule or a permission; the message quotes it."""


def error(remote: str, stdout: str, stderr: str) -> GitError | None:
    """Return the error that tells why a push was refused; None when it failed before the remote judged the refs."""
    refused = list(_refused(stdout))
    if not refused:
        return None
    for ref, kind, reason in refused:
        if kind != "rejected" or reason not in {*RACES, CONSEQUENCE}:
            return PushRejectedError(redacted(_rejection(remote, ref, kind, reason, stderr)))
    ref, _, reason = next((one for one in refused if one[2] in RACES), refused[0])
    return PushRaceError(f"{remote}: another push changed {ref} first ({reason}); nothing was changed, run it again")


def _refused(stdout: str) -> Iterator[tuple[str, str, str]]:
    """Yield (ref on the remote, kind, reason) of each ref that was refused."""
    for line in stdout.splitlines():
        if match := REFUSED.fullmatch(line):
            yield match["refs"].rpartition(":")[2].removeprefix("refs/heads/"), match["kind"], match["reason"] or ""


def _rejection(remote: str, ref: str, kind: str, reason: str, stderr: str) -> str:
    words = "; ".join(f"remote: {line}" for line in remote_lines(stderr.splitlines()))
    told = f"{remote}: refused the push to {ref}: {reason or kind}"
    return f"{told}; {words}; nothing was changed" if words else f"{told}; nothing was changed"

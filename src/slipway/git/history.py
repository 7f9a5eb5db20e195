"""Commits, parsed from their objects and not from the output of `git log`, which depends on settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

IDENTITY = re.compile(r"(?P<name>.*?) ?<[^>]*> (?P<seconds>-?\d+) (?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)")
TRAILER = re.compile(r"(?P<key>[A-Za-z0-9-]+) *: *(?P<value>.*)")


@dataclass(frozen=True)
class Commit:
    """A commit, with its headers and message decoded."""

    id: str
    tree: str
    parents: tuple[str, ...]
    """Ids in the commit's headers, also those that a shallow clone lacks."""
    author: str
    authored: datetime
    committed: datetime
    subject: str
    """First paragraph of the message, on one line."""
    body: str
    """Message after the first paragraph."""

    @property
    def trailers(self) -> dict[str, str]:
        """Return the `Key: value` lines of the last paragraph of the body; empty when any line has another form."""
        lines = self.body.rstrip().rpartition("\n\n")[2].splitlines()
        unfolded: list[str] = []
        for line in lines:
            if line[:1].isspace() and unfolded:
                unfolded[-1] += f" {line.strip()}"
            else:
                unfolded.append(line)
        matches = [TRAILER.fullmatch(line) for line in unfolded]
        return {match["key"]: match["value"].strip() for match in matches if match} if all(matches) else {}


def parse(commit: str, content: bytes) -> Commit:
    """Parse the content of a commit object. Raises ValueError or KeyError when it is malformed.

    A header such as `parent` may occur more than once. Indented lines continue a header, such as those of a signature.
    """
    head, _, message = content.partition(b"\n\n")
    headers = [line.partition(b" ")[::2] for line in head.split(b"\n") if not line.startswith(b" ")]
    fields = dict(headers)
    encoding = fields.get(b"encoding", b"utf-8").decode("ascii", errors="replace")
    author, authored = _name_and_time(_decoded(fields.get(b"author", b""), encoding))
    _, committed = _name_and_time(_decoded(fields.get(b"committer", b""), encoding))
    subject, _, body = _decoded(message, encoding).lstrip("\n").partition("\n\n")
    parents = tuple(value.decode() for name, value in headers if name == b"parent")
    subject = " ".join(subject.split("\n")).strip()
    return Commit(commit, fields[b"tree"].decode(), parents, author, authored, committed, subject, body.lstrip("\n"))


def _decoded(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        return content.decode(errors="replace")


def _name_and_time(text: str) -> tuple[str, datetime]:
    match = IDENTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r}: expected `name <email> seconds zone`")
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    zone = timezone(-offset if match["sign"] == "-" else offset)
    return match["name"], datetime.fromtimestamp(int(match["seconds"]), zone)

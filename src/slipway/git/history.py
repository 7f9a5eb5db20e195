"""A commit as git stores it, parsed from its object and not from what `git log` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

PERSON = re.compile(r"(?P<name>.*?) ?<[^>]*> (?P<seconds>-?\d+) (?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)")
TRAILER = re.compile(r"(?P<key>[A-Za-z0-9-]+) *: *(?P<value>.*)")


@dataclass(frozen=True)
class Commit:
    """A commit."""

    id: str
    tree: str
    parents: tuple[str, ...]
    """As the commit names them, also where a shallow clone does not have them."""
    author: str
    authored: datetime
    committed: datetime
    subject: str
    """First paragraph of the message, on one line."""
    body: str
    """Message below the first paragraph."""

    @property
    def trailers(self) -> dict[str, str]:
        """`Key: value` lines of the last paragraph; empty when another line is among them, or it is the subject."""
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
    """Parse the content of a commit object. Raises ValueError when it is none.

    Of a header that occurs more than once, such as `parent`, all count; the lines of a signature are its continuation.
    """
    head, _, message = content.partition(b"\n\n")
    headers = [line.partition(b" ")[::2] for line in head.split(b"\n") if not line.startswith(b" ")]
    fields = dict(headers)
    encoding = fields.get(b"encoding", b"utf-8").decode("ascii", errors="replace")
    author, authored = _person(_decoded(fields.get(b"author", b""), encoding))
    _, committed = _person(_decoded(fields.get(b"committer", b""), encoding))
    subject, _, body = _decoded(message, encoding).lstrip("\n").partition("\n\n")
    parents = tuple(value.decode() for name, value in headers if name == b"parent")
    subject = " ".join(subject.split("\n")).strip()
    return Commit(commit, fields[b"tree"].decode(), parents, author, authored, committed, subject, body.lstrip("\n"))


def _decoded(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        return content.decode(errors="replace")


def _person(text: str) -> tuple[str, datetime]:
    match = PERSON.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r}: not a name, an address and a time")
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    zone = timezone(-offset if match["sign"] == "-" else offset)
    return match["name"], datetime.fromtimestamp(int(match["seconds"]), zone)

"""GitHub's API through `gh`: requests, what to set when one is refused, and one file out of a run's artifact."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import UserError

ARCHIVE_BYTES = 5_000_000  # of an artifact's archive, before it is looked into
PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What upload-artifact writes. Python inflates these piece by piece, so a bomb is noticed and not swallowed."""

BROKEN = (EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
"""What zipfile raises on an archive that is none, is cut off, encrypted, or lies about itself."""


FORBIDDEN, NOT_FOUND, GONE = 403, 404, 410
IMMUTABLE = "immutable release"
"""What GitHub's reason holds when it adds nothing to a release that is published."""

STATUS = re.compile(r"\bHTTP (\d{3})\b")
REASON_LENGTH_MAX = 300  # characters of GitHub's reason in a message


class ApiError(UserError):
    """A request that GitHub refused. `status` is that of HTTP, or 0 when GitHub did not answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Remedy:
    """What to set where GitHub refuses a request; the first that fits holds."""

    status: str
    """Pattern of the HTTP status."""
    request: str
    """Pattern of the request, such as `POST repos/OWNER/NAME/issues` or `release upload`."""
    reason: str
    """Pattern of GitHub's reason, whatever its case."""
    text: str

    def fits(self, status: int, request: str, reason: str) -> bool:
        """Whether this is what to do about a refusal."""
        matches = re.fullmatch(self.status, str(status)) and re.search(self.request, request)
        return bool(matches and re.search(self.reason, reason, re.IGNORECASE))


REMEDIES = (
    Remedy("403|429", "", "rate limit", "wait for an hour at most, and run it again"),
    Remedy("410", "/issues", "", "switch on Settings → General → Features → Issues, which are off in a fork"),
    Remedy("422", "", IMMUTABLE, "switch off Settings → General → Releases → Enable release immutability"),
    Remedy("422", "/dispatches", "disabled", "Actions → the workflow → Enable workflow; GitHub disables idle ones"),
    Remedy(
        "403",
        r"/commits/.+/comments|(?<!issues)/comments/\d",
        "",
        "allow comments on individual commits in the Settings of the repository, or else of the organization",
    ),
    Remedy("403", "", "locked", "unlock the conversation"),
    Remedy("403", "", "create or approve pull requests", "allow it in Settings → Actions → General"),
    Remedy("403", "", "not accessible by", "give the job the permission, or ask an administrator to allow it"),
    Remedy("401", "", "", "`gh auth login`, or a GH_TOKEN that is still valid"),
    Remedy("404", "", "", "check the name; GitHub also hides what the token may not read"),
    Remedy("5..", "", "", "GitHub failed; run it again"),
)
"""Of the API's documented refusals, and of those that need a word of what to set."""


def refusal(request: str, output: str) -> ApiError:
    """Return the error for a `request` of gh's that failed: one line with GitHub's reason, its status and the remedy.

    `output` is what gh printed: `gh: REASON (HTTP STATUS)` for `gh api`, `HTTP STATUS: REASON (ADDRESS)` for others.
    """
    status = int(match[1]) if (match := STATUS.search(output)) else 0
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no reason given"]
    named = [line for line in lines if STATUS.search(line)]  # gh may print details, or a hint, below it
    reason = " ".join(dict.fromkeys([*named[:1], lines[-1]]))[:REASON_LENGTH_MAX]
    text = next((remedy.text for remedy in REMEDIES if remedy.fits(status, request, reason)), None)
    return ApiError(f"gh {request}: {reason}" + (f"; {text}" if text else ""), status)


def is_bot(thing: dict[str, Any]) -> bool:
    """Whether the author of a comment or an issue is a bot. An account that is gone leaves null as the author."""
    return (thing.get("user") or {}).get("type") == "Bot"


def of_a_fork() -> bool:
    """Whether this is the run of a pull request from a fork, by the event that GitHub left in $GITHUB_EVENT_PATH."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    if os.environ.get("GITHUB_EVENT_NAME") != "pull_request" or not path:
        return False
    event = json.loads(Path(path).read_text(encoding="utf-8"))
    head = event["pull_request"]["head"].get("repo") or {}  # null when the fork is gone
    return head.get("full_name") != event["repository"]["full_name"]


def call(method: str, path: str, body: dict[str, Any] | None = None, *options: str) -> Any:
    """Call the API, and return its JSON, or None for an empty answer. Raises ApiError when GitHub refuses."""
    command = ["gh", "api", "--method", method, path, *options, *(["--input", "-"] if body else [])]
    try:
        done = subprocess.run(
            command, input=json.dumps(body) if body else None, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise UserError("gh: not found; GitHub's runners have it, elsewhere `uv sync --group delivery`") from None
    if done.returncode:
        raise refusal(f"api {method} {path.split('?')[0]}", done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else None


def left_by(run: str, repository: str, name: str, member: str, limit: int) -> bytes | None:
    """The file `member`, of `limit` bytes at most, in the artifact `name` of a run; None when the run left none.

    Nothing is unpacked: the file is looked up by its very name and read in memory, so what else is in the archive, and
    where it would lead, does not matter. Raises UserError when it is too large, twice there, a link, or cannot be read.
    """
    if not re.fullmatch(r"\d+", run):
        raise UserError(f"{run}: not the number of a run")
    found = call("GET", f"repos/{repository}/actions/runs/{run}/artifacts?name={name}&per_page=100")["artifacts"]
    kept = [one for one in found if one["name"] == name and not one["expired"]]
    if not kept:
        return None
    newest = max(kept, key=lambda one: one["id"])  # a run that was repeated has one for each attempt
    source = f"artifact {name} of run {run}"
    if newest["size_in_bytes"] > ARCHIVE_BYTES:
        raise UserError(f"{source}: {newest['size_in_bytes']:,} bytes, at most {ARCHIVE_BYTES:,} are taken; refused")
    return take(_download(f"repos/{repository}/actions/artifacts/{newest['id']}/zip", source), member, limit, source)


def _download(path: str, source: str) -> bytes:
    """At most ARCHIVE_BYTES of what GitHub sends, whatever size it said. Raises UserError when there is more."""
    with subprocess.Popen(["gh", "api", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        content = process.stdout.read(ARCHIVE_BYTES + 1) if process.stdout else b""
        if len(content) > ARCHIVE_BYTES:
            process.kill()
            raise UserError(f"{source}: over {ARCHIVE_BYTES:,} bytes; refused")
        output = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode:
        raise refusal(f"api GET {path}", output)
    return content


def take(archive: bytes, member: str, limit: int, source: str) -> bytes:
    """The content of `member` in a zip archive. Raises UserError, naming `source`, unless it is a plain small file."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            found = [one for one in opened.infolist() if one.filename == member]
            if len(found) != 1:
                raise UserError(f"{source}: holds {len(found)} files {member}, not one; refused")
            (one,) = found
            if stat.S_ISLNK(one.external_attr >> 16) or one.compress_type not in PLAIN:
                raise UserError(f"{source}: {member} is a link, or packed in an unusual way; refused")
            with opened.open(one) as file:
                content = file.read(limit + 1)
    except BROKEN as error:
        raise UserError(f"{source}: no archive of upload-artifact's ({type(error).__name__}); refused") from None
    if len(content) > limit:
        raise UserError(f"{source}: {member} has over {limit:,} bytes; refused")
    return content

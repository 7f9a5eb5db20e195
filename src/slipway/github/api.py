"""Client of GitHub's API through `gh`: requests, remedies for refusals, and files in the artifacts of runs."""

from __future__ import annotations

import io
import json
import re
import stat
import subprocess
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.errors import ArgumentError, MissingToolError, RejectedError, ToolError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVE_BYTES_MAX = 5_000_000  # of an artifact's archive
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Methods that upload-artifact uses. Python inflates them in chunks, so a read limit stops a zip bomb."""

ARCHIVE_ERRORS = (EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
"""Exceptions of zipfile for an archive that is truncated, encrypted, inconsistent, or not a zip file."""


FORBIDDEN, NOT_FOUND, GONE = 403, 404, 410
IMMUTABLE = "immutable release"
"""Part of GitHub's reason for refusing a change to a published release."""

STATUS = re.compile(r"\bHTTP (\d{3})\b")
REASON_CHARACTERS_MAX = 300  # of GitHub's reason in a message


class ApiError(ToolError):
    """A request that GitHub refused. `status` is the HTTP status, or 0 if GitHub did not respond."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Remedy:
    """Advice for a refused request. The first match in `REMEDIES` applies."""

    status: str
    """Pattern of the HTTP status."""
    request: str
    """Pattern of the request, such as `POST repos/OWNER/NAME/issues` or `release upload`."""
    reason: str
    """Pattern of GitHub's reason; case does not matter."""
    text: str

    def fits(self, status: int, request: str, reason: str) -> bool:
        """Return whether this remedy applies to a refusal."""
        matches = re.fullmatch(self.status, str(status)) and re.search(self.request, request)
        return bool(matches and re.search(self.reason, reason, re.IGNORECASE))


REMEDIES = (
    Remedy("403|429", "", "rate limit", "wait up to an hour, then run it again"),
    Remedy("410", "/issues", "", "turn on Settings → General → Features → Issues, which is off in a fork"),
    Remedy("422", "", IMMUTABLE, "turn off Settings → General → Releases → Enable release immutability"),
    Remedy("422", "/dispatches", "disabled", "Actions → the workflow → Enable workflow; GitHub disables idle ones"),
    Remedy(
        "403",
        r"/commits/.+/comments|(?<!issues)/comments/\d",
        "",
        "allow comments on individual commits in the settings of the repository, or else of the organization",
    ),
    Remedy("403", "", "locked", "unlock the conversation"),
    Remedy("403", "", "create or approve pull requests", "allow it in Settings → Actions → General"),
    Remedy("403", "", "not accessible by", "give the job the permission, or ask an administrator to allow it"),
    Remedy("401", "", "", "`gh auth login`, or a GH_TOKEN that is still valid"),
    Remedy("404", "", "", "check the name; GitHub also hides what the token may not read"),
    Remedy("5..", "", "", "GitHub failed; run it again"),
)
"""Remedies for the refusals that the API documents, and for those that a setting causes."""


def refusal(request: str, output: str) -> ApiError:
    """Return the error for a failed `request` of gh, with GitHub's reason, the HTTP status and the remedy on one line.

    output: that of gh, `gh: REASON (HTTP STATUS)` for `gh api`, `HTTP STATUS: REASON (ADDRESS)` for other commands.
    """
    status = int(match[1]) if (match := STATUS.search(output)) else 0
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no reason given"]
    named = [line for line in lines if STATUS.search(line)]  # gh may print details, or a hint, below it
    reason = " ".join(dict.fromkeys([*named[:1], lines[-1]]))[:REASON_CHARACTERS_MAX]
    text = next((remedy.text for remedy in REMEDIES if remedy.fits(status, request, reason)), None)
    return ApiError(f"gh {request}: {reason}" + (f"; {text}" if text else ""), status)


def is_bot(post: Mapping[str, Any]) -> bool:
    """Return whether the author of a comment or an issue is a bot. The author is null after the account is deleted."""
    author: Mapping[str, Any] = post.get("user") or {}
    return author.get("type") == "Bot"


def call(method: str, path: str, body: dict[str, Any] | None = None, *options: str) -> Any:
    """Call the API, and return its JSON, or None for an empty response. Raises ApiError if GitHub refuses."""
    command = ["gh", "api", "--method", method, path, *options, *(["--input", "-"] if body else [])]
    try:
        done = subprocess.run(
            command, input=json.dumps(body) if body else None, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise MissingToolError(
            "gh: not found; outside of GitHub's runners, install it by `uv sync --group delivery`"
        ) from None
    if done.returncode:
        raise refusal(f"api {method} {path.split('?')[0]}", done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else None


def find(path: str) -> Any:
    """Return the JSON at `path`, or None for status 404. Raises ApiError for another error status."""
    try:
        return call("GET", path)
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise


def read_artifact(run: str, repository: str, name: str, member: str, bytes_max: int) -> bytes | None:
    """Return the file `member` of the artifact `name` of a run; None if the run has no such artifact.

    The archive is read in memory and never unpacked, so other files and their paths have no effect. Raises UserError if
    the file is larger than `bytes_max`, not unique, a link, or unreadable.
    """
    if not re.fullmatch(r"\d+", run):
        raise ArgumentError(f"{run}: not the number of a run")
    listed = call("GET", f"repos/{repository}/actions/runs/{run}/artifacts?name={name}&per_page=100")["artifacts"]
    available = [artifact for artifact in listed if artifact["name"] == name and not artifact["expired"]]
    if not available:
        return None
    newest = max(available, key=lambda artifact: artifact["id"])  # a repeated run has one for each attempt
    source = f"artifact {name} of run {run}"
    if newest["size_in_bytes"] > ARCHIVE_BYTES_MAX:
        raise RejectedError(
            f"{source}: {newest['size_in_bytes']:,} bytes, at most {ARCHIVE_BYTES_MAX:,} allowed; rejected"
        )
    archive = _download(f"repos/{repository}/actions/artifacts/{newest['id']}/zip", source)
    return read_member(archive, member, bytes_max, source)


def _download(path: str, source: str) -> bytes:
    """Download an archive, whatever size GitHub announced. Raises UserError above ARCHIVE_BYTES_MAX."""
    with subprocess.Popen(["gh", "api", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        content = process.stdout.read(ARCHIVE_BYTES_MAX + 1) if process.stdout else b""
        if len(content) > ARCHIVE_BYTES_MAX:
            process.kill()
            raise RejectedError(f"{source}: over {ARCHIVE_BYTES_MAX:,} bytes; rejected")
        output = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode:
        raise refusal(f"api GET {path}", output)
    return content


def read_member(archive: bytes, member: str, bytes_max: int, source: str) -> bytes:
    """Return the content of `member` in a zip archive. Raises UserError, naming `source`, unless it is a regular file.

    Also raises UserError if the archive is invalid, or the file is not unique or larger than `bytes_max`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            matches = [info for info in opened.infolist() if info.filename == member]
            if len(matches) != 1:
                raise RejectedError(f"{source}: holds {len(matches)} files {member} instead of one; rejected")
            (info,) = matches
            if stat.S_ISLNK(info.external_attr >> 16) or info.compress_type not in COMPRESSIONS:
                raise RejectedError(f"{source}: {member} is a link, or has an unsupported compression; rejected")
            with opened.open(info) as file:
                content = file.read(bytes_max + 1)
    except ARCHIVE_ERRORS as error:
        raise UnreadableFileError(
            f"{source}: not an archive of upload-artifact ({type(error).__name__}); rejected"
        ) from None
    if len(content) > bytes_max:
        raise RejectedError(f"{source}: {member} has over {bytes_max:,} bytes; rejected")
    return content

"""GitHub's API through `gh`, and one file out of an artifact that a stranger's run has left."""

from __future__ import annotations

import io
import json
import re
import stat
import subprocess
import zipfile
import zlib
from typing import Any

from slipway.errors import UserError

ARCHIVE_BYTES = 5_000_000  # of an artifact's archive, before it is looked into
PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What upload-artifact writes. Python inflates these piece by piece, so a bomb is noticed and not swallowed."""

BROKEN = (EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
"""What zipfile raises on an archive that is none, is cut off, encrypted, or lies about itself."""


def call(method: str, path: str, body: dict[str, Any] | None = None, *options: str) -> Any:
    """Call the API, and return its JSON, or None where it has nothing to say. Raises UserError with its reason."""
    command = ["gh", "api", "--method", method, path, *options, *(["--input", "-"] if body else [])]
    try:
        done = subprocess.run(
            command, input=json.dumps(body) if body else None, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise UserError("gh: not found; GitHub's runners have it, elsewhere `uv sync --group delivery`") from None
    if done.returncode:
        raise UserError(f"gh api {method} {path.split('?')[0]}: {_last_line(done.stderr)}")
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
        said = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode:
        raise UserError(f"{source}: {_last_line(said)}")
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


def _last_line(said: str) -> str:
    return (said.strip() or "no reason given").splitlines()[-1]

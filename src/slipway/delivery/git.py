"""Git's plumbing, for commits and tags that never touch the caller's branch, index or work tree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway.delivery.redact import redacted
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECONDS = 60  # of one git command; a remote that hangs must not stop an agent for longer
NO_FILE = f"0 {'0' * 40}"  # mode and blob by which update-index takes a path out
FALLBACK_IDENTITY = {
    "NAME": "slipway",
    "EMAIL": "slipway@users.noreply.github.com",
}  # a runner has no identity of its own


class GitError(UserError):
    """Git refused; the message is its last line."""


class Git:
    """A repository, with or without a work tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self, *arguments: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None, seconds: float = SECONDS
    ) -> str:
        """Run `git ARGUMENTS` and return what it prints, without the last line feed. Raises GitError."""
        return self.run_bytes(*arguments, stdin=stdin, env=env, seconds=seconds).decode().rstrip("\n")

    def run_bytes(
        self, *arguments: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None, seconds: float = SECONDS
    ) -> bytes:
        """As `run`, for content that may not be text."""
        try:
            done = subprocess.run(
                ["git", "-C", str(self.folder), *arguments],
                input=stdin.encode() if isinstance(stdin, str) else stdin,
                capture_output=True,
                check=False,
                timeout=seconds,
                env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(env or {})},
            )
        except subprocess.TimeoutExpired:
            raise GitError(f"git {arguments[0]}: no answer in {seconds:g} s; is the remote there?") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise GitError(f"git {arguments[0]} in {self.folder}: {redacted(_most_telling(said))}")
        return done.stdout

    def write(self, content: bytes) -> str:
        """Store a blob and return its id."""
        return self.run("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, base: str | None, files: Mapping[str, bytes | str | None]) -> str:
        """Store the tree of `base` with `files` put in, and return its id.

        `files` has by path the content, the id of a blob, or None for a file that should not be there.
        """
        blobs = {path: self.write(one) if isinstance(one, bytes) else one for path, one in files.items()}
        with TemporaryDirectory() as scratch:
            env = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            self.run("read-tree", *([base] if base else ["--empty"]), env=env)
            entries = "".join(f"{f'100644 {blob}' if blob else NO_FILE}\t{path}\n" for path, blob in blobs.items())
            self.run("update-index", "--add", "--index-info", stdin=entries, env=env)
            return self.run("write-tree", env=env)

    def commit(self, tree: str, parents: Iterable[str], message: str) -> str:
        """Store a commit and return its id."""
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.run("commit-tree", tree, *flags, stdin=message, env=self._identity())

    def tag(self, name: str, commit: str, message: str, after: int = 0) -> str:
        """Store an annotated tag object, without a ref, and return its id: a push that fails leaves no tag behind.

        Its time is later than `after`, in seconds since 1970, even where the clock is not.
        """
        identity, seconds, zone = self.run("var", "GIT_COMMITTER_IDENT", env=self._identity()).rsplit(" ", 2)
        tagger = f"{identity} {max(int(seconds), after + 1)} {zone}"
        content = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n{message}\n"
        return self.run("mktag", stdin=content)

    def _identity(self) -> dict[str, str]:
        if self._has_identity():
            return {}
        actor = os.environ.get("GITHUB_ACTOR")  # who pressed merge, where a workflow runs
        identity = FALLBACK_IDENTITY | ({"NAME": actor, "EMAIL": f"{actor}@users.noreply.github.com"} if actor else {})
        return {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in identity.items()}

    def _has_identity(self) -> bool:
        try:
            return bool(os.environ.get("GIT_AUTHOR_EMAIL") or self.run("config", "user.email"))
        except GitError:
            return False


def _most_telling(lines: list[str]) -> str:
    """The line that says what went wrong; a refused push ends in hints."""
    for marker in ("[rejected]", "[remote rejected]", "fatal:", "error:"):
        for line in lines:
            if marker in line:
                return line.strip()
    return lines[-1].strip()

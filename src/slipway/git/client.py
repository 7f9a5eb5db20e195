"""A client for a repository, built on git's plumbing: it leaves the branch, index and work tree unchanged."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway.git import refused_push
from slipway.git.changed_paths import ChangedPath, parse_raw
from slipway.git.command import (
    EXACT_BYTES,
    TIMEOUT_SECONDS,
    GitError,
    GitReadError,
    UnreachableRemoteError,
    execute,
    failure,
)
from slipway.git.history import Commit, parse

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NO_FILE = f"0 {'0' * 40}"  # mode and blob by which update-index removes a path
NO_SUCH_REMOTE = 2  # exit status of `git remote get-url`
FALLBACK_IDENTITY = {
    "NAME": "slipway",
    "EMAIL": "slipway@users.noreply.github.com",
}  # a runner has no identity of its own


@dataclass(frozen=True)
class TreeEntry:
    """A file in a tree: its mode and the id of its blob."""

    mode: str
    id: str


class Git:
    """A repository, with or without a work tree. `environment` replaces the environment of this process."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._environment = environment

    # Running git.

    def run(
        self,
        *arguments: str,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> str:
        """Run `git ARGUMENTS` and return its output without the trailing newline. Raises GitError."""
        return self.run_bytes(*arguments, stdin=stdin, env=env, seconds=seconds).decode().rstrip("\n")

    def run_bytes(
        self,
        *arguments: str,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> bytes:
        """Run `git ARGUMENTS` with additional `settings` and return its output as bytes. Raises GitError."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        done = self._execute(*arguments, stdin=content, env=env, settings=settings, seconds=seconds)
        if done.returncode:
            raise GitError(failure(self.folder, arguments, done.stderr))
        return done.stdout

    def is_true(self, *arguments: str) -> bool:
        """Return whether a command exits with 0 (true) or 1 (false). Raises GitError for any other status."""
        return self._output(*arguments) is not None

    def names(self, *arguments: str) -> list[str]:
        """Return the NUL-terminated names in the output of a command with `-z`. Raises GitError."""
        return [os.fsdecode(name) for name in self.run_bytes(*arguments).split(b"\0") if name]

    def _output(self, *arguments: str, absent: int = 1) -> str | None:
        """Return the output of a command; None when it exits with the status `absent`."""
        done = self._execute(*arguments)
        if done.returncode == absent:
            return None
        if done.returncode:
            raise GitError(failure(self.folder, arguments, done.stderr))
        return done.stdout.decode().rstrip("\n")

    def _execute(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> subprocess.CompletedProcess[bytes]:
        return execute(
            self.folder, arguments, stdin=stdin, env=env, base=self._environment, settings=settings, seconds=seconds
        )

    # Commits.

    def head(self) -> str | None:
        """Return the id of the checked-out commit; None before the first one. Raises GitError outside a repository."""
        return self.resolve("HEAD")

    def resolve(self, name: str) -> str | None:
        """Return the id of the commit that `name` refers to; None when no such name exists.

        Raises GitReadError when this clone lacks the commit.
        """
        object_id = self._output("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        if object_id is None:
            return None
        commit = self._output("rev-parse", "--verify", "--quiet", "--end-of-options", f"{object_id}^{{commit}}")
        if commit is None:
            raise GitReadError(
                f"{name}: this clone cannot read {object_id[:12]} as a commit; run `git fetch`, then `git fsck`"
            )
        return commit

    def symbolic_ref(self, name: str) -> str | None:
        """Return the full name of the ref that the symbolic ref `name` points to; None when it is not symbolic."""
        return self._output("symbolic-ref", "--quiet", name)

    def merge_base(self, left: str, right: str) -> str | None:
        """Return the best common ancestor; None when the clone has none. Raises GitReadError."""
        try:
            return self._output("merge-base", left, right)
        except GitError as error:
            raise GitReadError(str(error)) from None

    def has(self, commit: str) -> bool:
        """Return whether this clone has the object with this id."""
        return self.is_true("cat-file", "-e", commit)

    def is_shallow(self) -> bool:
        """Return whether this clone is shallow, that is without its older history."""
        return self.run("rev-parse", "--is-shallow-repository") == "true"

    def is_ancestor(self, commit: str, of: str) -> bool:
        """Return whether `commit` is an ancestor of `of`. Raises GitError when the clone lacks either commit."""
        return self.is_true("merge-base", "--is-ancestor", commit, of)

    def read_commit(self, commit: str) -> Commit:
        """Return a commit. Raises GitReadError."""
        return self.read_commits([commit])[0]

    def read_commits(self, commits: Sequence[str]) -> list[Commit]:
        """Return commits in the given order, with one call of git. Raises GitReadError when one cannot be read."""
        parsed: list[Commit] = []
        for commit, (header, content) in zip(commits, self._objects(commits), strict=True):
            if header[1] != "commit":
                raise GitReadError(f"{commit}: this clone cannot read it as a commit ({' '.join(header[1:])})")
            parsed.append(self._parsed(header[0], content))
        return parsed

    def _objects(self, names: Sequence[str]) -> Iterator[tuple[list[str], bytes]]:
        """Yield (id, type, size) and the content of each object; (name, `missing`) without content if it is missing."""
        output = self.run_bytes("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names))
        start = 0
        for _ in names:
            end = output.index(b"\n", start)
            header = output[start:end].decode()
            name, _, problem = header.rpartition(" ")
            if problem.isdigit():
                start = end + 1 + int(problem) + 1  # content, then a newline
                yield header.split(" "), output[end + 1 : start - 1]
            else:
                start = end + 1
                yield [name, problem], b""

    def _parsed(self, commit: str, content: bytes) -> Commit:
        try:
            return parse(commit, content)
        except (KeyError, ValueError) as error:
            raise GitReadError(f"{commit}: malformed commit ({error})") from None

    def history(
        self, *revisions: str, paths: Sequence[str] = (), limit: int | None = None, first_parent: bool = False
    ) -> list[Commit]:
        """Return the commits reachable from `revisions` that changed `paths`, newest first. Raises GitReadError."""
        options = [*(["--first-parent"] if first_parent else []), *([f"--max-count={limit}"] if limit else [])]
        try:
            listed = self.run("rev-list", *options, *revisions, "--", *paths)
        except GitError as error:
            raise GitReadError(str(error)) from None
        return self.read_commits(listed.split())

    def is_shallow_boundary(self, commit: Commit) -> bool:
        """Return whether a shallow clone ends at `commit`, so that it lacks the parents. Raises GitError."""
        listed = self.run("rev-list", "--parents", "--max-count=1", commit.id).split()
        return bool(commit.parents) and listed == [commit.id]

    # Content.

    def entries(self, commit: str, *paths: str) -> dict[str, TreeEntry]:
        """Return the files of a commit by path, limited to `paths` if any are given. Raises GitReadError.

        A path that begins with `./` is relative to the folder; any other is relative to the root of the repository.
        """
        whole = [] if any(path.startswith("./") for path in paths) else ["--full-tree"]
        try:
            lines = self.names("ls-tree", "-r", "-z", *whole, commit, "--", *paths)
        except GitError as error:
            raise GitReadError(str(error)) from None
        split = (line.split("\t", 1) for line in lines)
        return {name: TreeEntry(meta.split()[0], meta.split()[2]) for meta, name in split}

    def read(self, commit: str, path: str) -> bytes | None:
        """Return the content of the file at `path`; None when the commit has no such file. Raises GitReadError."""
        entry = self.entries(commit, path).get(path.removeprefix("./"))
        if entry is None:
            return None
        try:
            return self.run_bytes("cat-file", "blob", entry.id)
        except GitError as error:
            raise GitReadError(f"{commit[:12]}:{path}: {error}") from None

    def read_each(self, commits: Sequence[str], path: str) -> list[bytes | None]:
        """Return what `read` returns for each of the commits, with one call of git for all that have the file."""
        objects = zip(commits, self._objects([f"{commit}:{path}" for commit in commits]), strict=True)
        return [content if header[1] == "blob" else self.read(commit, path) for commit, (header, content) in objects]

    def read_text(self, commit: str, path: str) -> str | None:
        """Return the UTF-8 text of the file at `path`; None when the commit has no such file. Raises GitReadError."""
        content = self.read(commit, path)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError:
            raise GitReadError(f"{commit[:12]}:{path}: not text in UTF-8") from None

    def archive(self, commit: str) -> bytes:
        """Return the files of a commit as a tar archive, byte for byte as committed. Raises GitError."""
        return self.run_bytes("archive", "--format=tar", commit, settings=EXACT_BYTES)

    def changed(self, before: str, after: str) -> list[ChangedPath]:
        """Return the paths that differ between two commits or trees; a rename is two paths. Raises GitReadError."""
        options = ["-r", "--raw", "-z", "--no-renames", "--ignore-submodules=none", "--no-ext-diff", "--full-index"]
        try:
            return list(parse_raw(self.run_bytes("diff-tree", *options, before, after)))
        except GitError as error:
            raise GitReadError(str(error)) from None

    def edited(self, *, untracked: bool = True) -> dict[str, str]:
        """Return git's two status letters for each path of the work tree that differs from the commit."""
        files = "all" if untracked else "no"
        options = ["--porcelain=v1", "-z", f"--untracked-files={files}", "--no-renames", "--ignore-submodules=none"]
        return {line[3:]: line[:2] for line in self.names("status", *options)}

    def tracked(self, *paths: str) -> list[str]:
        """Return the indexed paths under `paths`, including those in conflict."""
        return list(dict.fromkeys(self.names("ls-files", "-z", "--", *paths)))

    def untracked(self, *paths: str) -> list[str]:
        """Return the files under `paths` that are not in the index, including ignored files."""
        return self.names("ls-files", "-z", "--others", "--", *paths)

    def unmerged(self) -> list[str]:
        """Return the paths in conflict."""
        lines = self.names("ls-files", "-z", "--unmerged")
        return list(dict.fromkeys(line.split("\t", 1)[1] for line in lines))

    # Settings and remotes.

    def setting(self, name: str) -> str | None:
        """Return a setting of the user or the repository; None when it is not set."""
        return self._output("config", "--get", name)

    def remote_url(self, remote: str = "origin") -> str | None:
        """Return the URL of a remote; None when no remote has that name."""
        return self._output("remote", "get-url", remote, absent=NO_SUCH_REMOTE)

    def remote_refs(self, remote: str, *patterns: str) -> dict[str, str]:
        """Return the object ids of a remote's matching refs by full name; names of peeled tags end in `^{}`.

        Raises UnreachableRemoteError.
        """
        done = self._execute("ls-remote", remote, *patterns)
        if done.returncode:
            raise UnreachableRemoteError(remote, done.stderr)
        listed = done.stdout.decode()
        return {name: object_id for object_id, name in (line.split("\t") for line in listed.splitlines())}

    def fetch(self, remote: str, *refspecs: str, prune: bool = False, seconds: float = TIMEOUT_SECONDS) -> None:
        """Fetch only the given refs from a remote. Raises GitError."""
        options = ["--quiet", "--no-tags", "--no-recurse-submodules", "--prune" if prune else "--no-prune"]
        self.run("fetch", *options, "--no-prune-tags", remote, *refspecs, seconds=seconds)

    def push(self, remote: str, *refspecs: str, lease: str | None = None) -> None:
        """Push all refs or none.

        `lease` is REF:COMMIT, the commit that the remote's ref must have to be replaced. Raises PushRaceError,
        PushRejectedError, or GitError when the remote is unreachable.
        """
        options = ["--porcelain", "--atomic", "--no-follow-tags", "--no-signed", "--no-verify"]
        options += ["--recurse-submodules=no", *([f"--force-with-lease={lease}"] if lease else [])]
        arguments = ["push", *options, remote, *refspecs]
        done = self._execute(*arguments)
        if done.returncode:
            stdout, stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
            refused = refused_push.error(remote, stdout, stderr)
            raise refused or GitError(failure(self.folder, arguments, done.stderr))

    # Objects to write.

    def write(self, content: bytes) -> str:
        """Store a blob and return its id."""
        return self.run("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, base: str | None, files: Mapping[str, bytes | str | None]) -> str:
        """Store the tree of `base` with the changes of `files`, and return its id.

        `files` maps a path to its content, to the id of a blob, or to None to remove the file.
        """
        blobs = {path: self.write(file) if isinstance(file, bytes) else file for path, file in files.items()}
        with TemporaryDirectory() as scratch:
            env = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            self.run("read-tree", *([base] if base else ["--empty"]), env=env)
            entries = "".join(f"{f'100644 {blob}' if blob else NO_FILE}\t{path}\0" for path, blob in blobs.items())
            self.run("update-index", "--add", "-z", "--index-info", stdin=entries, env=env)
            return self.run("write-tree", env=env)

    def commit(self, tree: str, parents: Iterable[str], message: str) -> str:
        """Store a commit and return its id."""
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.run("commit-tree", tree, *flags, stdin=message, env=self._identity())

    def tag(self, name: str, commit: str, message: str, after: int = 0) -> str:
        """Store an annotated tag object without a ref, and return its id; so a failed push leaves no tag behind.

        Its time is later than `after` (Unix seconds), even when the clock is behind.
        """
        identity, seconds, zone = self.run("var", "GIT_COMMITTER_IDENT", env=self._identity()).rsplit(" ", 2)
        tagger = f"{identity} {max(int(seconds), after + 1)} {zone}"
        content = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n{message}\n"
        return self.run("mktag", stdin=content)

    def _identity(self) -> dict[str, str]:
        variables = os.environ if self._environment is None else self._environment
        if variables.get("GIT_AUTHOR_EMAIL") or self.setting("user.email"):
            return {}
        actor = variables.get("GITHUB_ACTOR")  # in a workflow, the user who merged
        identity = FALLBACK_IDENTITY | ({"NAME": actor, "EMAIL": f"{actor}@users.noreply.github.com"} if actor else {})
        return {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in identity.items()}

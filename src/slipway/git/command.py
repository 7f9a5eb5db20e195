"""The function that runs git, with every user setting pinned that would change its output or its effect."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from slipway.errors import ToolError
from slipway.git.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMEOUT_SECONDS = 60
"""For one command; a remote that hangs must not block an agent for longer."""
REMOTE_LINES_MAX = 12
"""Lines of a remote's message that an error quotes."""

PINNED = {
    # Text that git adds to its output or omits.
    "log.showSignature": "false",  # prints lines of gpg or ssh-keygen between the requested fields
    "log.decorate": "false",  # names of branches after a commit
    "log.date": "default",  # another format for every date without an explicit one
    "log.follow": "false",  # with one path, continues in the history of another file
    "log.mailmap": "false",  # other names for the authors
    "log.diffMerges": "off",  # patches of merge commits
    "format.pretty": "medium",  # another layout of `log` and `show`
    "core.abbrev": "auto",  # length of abbreviated commits
    "core.quotePath": "false",  # octal escapes in paths that are not ASCII
    "i18n.logOutputEncoding": "UTF-8",  # messages are re-encoded on output
    "i18n.commitEncoding": "UTF-8",  # commit-tree declares this encoding for a message that is UTF-8
    "column.ui": "never",  # lists in columns
    "color.ui": "false",  # escape sequences; `always` colors a pipe, too
    "color.branch": "false",  # each of these overrides color.ui
    "color.diff": "false",
    "color.status": "false",
    "color.advice": "false",
    "color.push": "false",
    "color.remote": "false",  # colors words of the `remote:` lines that an error quotes
    "color.transport": "false",
    "core.pager": "cat",
    # Lists of files that git shortens.
    "status.showUntrackedFiles": "all",  # `no` hides files that exist nowhere else from a check before deletion
    "status.relativePaths": "false",
    "status.renames": "false",  # hides the path that a file had before
    "status.branch": "false",
    "status.showStash": "false",
    "diff.renames": "false",  # likewise
    "diff.relative": "false",  # leaves out what lies outside the current folder
    "diff.ignoreSubmodules": "none",  # leaves out submodules
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
    "diff.orderFile": os.devnull,  # another order; a file that is not there is an error
    "diff.submodule": "short",
    # Actions that git adds to a command.
    "core.hooksPath": os.devnull,  # the user's hooks, such as `dvc push`, are meant for manual commits and pushes
    "core.fsmonitor": "false",  # a hook that reports which files changed
    "core.useReplaceRefs": "false",  # `git replace` shows other content than the remote has
    "commit.gpgSign": "false",  # asks for a passphrase, or fails without an agent
    "tag.gpgSign": "false",
    "tag.forceSignAnnotated": "false",
    "merge.verifySignatures": "false",  # refuses to merge unsigned commits
    "merge.ff": "true",  # `only` contradicts --no-ff
    "merge.autoStash": "false",
    "merge.stat": "false",
    "push.followTags": "false",  # pushes further tags; an atomic push fails with them
    "push.gpgSign": "false",  # a remote without signed pushes refuses it
    "push.pushOption": "",  # a remote without push options refuses it
    "push.recurseSubmodules": "no",  # `only` pushes submodules and not the commit
    "push.useForceIfIncludes": "false",  # refuses a lease on a commit without a reflog entry
    "push.negotiate": "false",
    "push.default": "nothing",  # every push names its refs
    "fetch.prune": "false",  # deletes the user's remote-tracking refs
    "fetch.pruneTags": "false",
    "fetch.recurseSubmodules": "no",
    "submodule.recurse": "false",  # checkout and reset change submodules
    "branch.autoSetupMerge": "false",
    "checkout.defaultRemote": "origin",
    # Repositories that git creates.
    "init.defaultBranch": "main",
    "init.templateDir": "",  # adds hooks and settings
    "clone.defaultRemoteName": "origin",
    "clone.rejectShallow": "false",
    "safe.bareRepository": "all",  # `explicit` refuses the agent's mirror, which is bare
    "tar.umask": "0002",  # file modes in an archive
    "trailer.separators": ":",
}
"""Settings by name, with the effect that the pin prevents.

Settings on the command line take precedence over files, `GIT_CONFIG_*` and the repository.
"""

EXACT_BYTES = {
    "core.attributesFile": os.devnull,  # the user's attributes exclude or convert files
    "core.autocrlf": "false",  # `archive` and a checkout write CRLF
    "core.eol": "lf",
}
"""Further settings, to write content byte for byte as it was committed.

Not for the user's own work tree, where these settings decide which files count as changed.
"""

NEUTRAL_ENVIRONMENT = {
    "LC_ALL": "C",  # messages in English
    "GIT_TERMINAL_PROMPT": "0",  # nobody would answer a prompt
    "GIT_EDITOR": ":",
    "GIT_MERGE_AUTOEDIT": "no",
    "GIT_OPTIONAL_LOCKS": "0",  # reading must not write the index, which an editor may have locked
    "GIT_LITERAL_PATHSPECS": "1",  # a path is literal, even with `*`, `[` or `:(…)`
}
KEPT_VARIABLES = re.compile(
    r"GIT_(CONFIG_\w+|SSH\w*|ASKPASS|SSL_\w+|HTTP_\w+|CURL_\w+|PROXY\w*|PROTOCOL\w*|ALLOW_PROTOCOL|AUTHOR_\w+|COMMITTER_\w+"
    r"|EXEC_PATH|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM)"
)
"""Variables for identity, network, credentials and the location of settings; all other `GIT_*` variables are dropped.

A hook sets GIT_DIR, GIT_INDEX_FILE and GIT_WORK_TREE, which would redirect a command to the wrong repository.
"""


class GitError(ToolError):
    """git failed; the message quotes git's reason."""


class GitReadError(GitError):
    """An object could not be read: it is missing or corrupt, or the clone is shallow."""


class UnreachableRemoteError(GitError):
    """A remote does not exist, does not respond, or refuses to be read."""

    def __init__(self, remote: str, stderr: bytes) -> None:
        reason = _quoted(stderr.decode(errors="replace").splitlines())
        check = "check its address (`git remote -v`), the network and your credentials"
        super().__init__(redacted(f"{remote}: not reached ({reason}); {check}"))


def execute(
    folder: Path,
    arguments: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    base: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    seconds: float = TIMEOUT_SECONDS,
) -> subprocess.CompletedProcess[bytes]:
    """Run `git ARGUMENTS` in `folder` and return the process; the caller checks the exit status.

    `base` replaces this process's environment and `env` extends it; `settings` extend PINNED. Raises GitError when git
    is not installed or runs for more than `seconds`.
    """
    pairs = {**PINNED, **(settings or {})}
    pinned = [word for name, value in pairs.items() for word in ("-c", f"{name}={value}")]
    try:
        return subprocess.run(
            ["git", "--no-pager", "-C", str(folder), *pinned, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=seconds,
            env={**environment(os.environ if base is None else base), **(env or {})},
        )
    except FileNotFoundError:
        raise GitError("git: not found; install it") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]}: no answer in {seconds:g} s; check that the remote is reachable") from None


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of `base` without the `GIT_*` variables that redirect git or change its output."""
    dropped = {name for name in base if name.startswith("GIT_") and not KEPT_VARIABLES.fullmatch(name)}
    return {**{name: value for name, value in base.items() if name not in dropped}, **NEUTRAL_ENVIRONMENT}


def failure(folder: Path, arguments: Sequence[str], stderr: bytes) -> str:
    """Return a one-line message with the command and the reason for its failure, without credentials."""
    return redacted(f"git {arguments[0]} in {folder}: {_quoted(stderr.decode(errors='replace').splitlines())}")


def _quoted(lines: Sequence[str]) -> str:
    """Return git's own reason and the remote's, in one line."""
    return "; ".join([_reason(lines), *(f"remote: {line}" for line in remote_lines(lines))])


def _reason(lines: Sequence[str]) -> str:
    """Return git's own reason, without the hints and remote lines around it."""
    own = [line.strip() for line in lines if line.strip() and not line.startswith("remote:")]
    marked = [line for marker in ("fatal:", "error:") for line in own if line.startswith(marker)]
    return next(iter([*marked, *reversed(own)]), "no reason given")


def remote_lines(lines: Sequence[str]) -> list[str]:
    """Return the remote's output without its prefix and without empty lines."""
    stripped = (line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:"))
    return [line for line in stripped if line][:REMOTE_LINES_MAX]

"""The one place that runs git: settings of its user that change what is printed or done are pinned here."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMEOUT_SECONDS = 60
"""A remote that hangs must not stop an agent for longer."""
REMOTE_LINES_MAX = 12
"""Lines of a remote's message that an error quotes."""

PINNED = {
    # Text that git adds to output, or leaves out of it.
    "log.showSignature": "false",  # prints the lines of gpg or ssh-keygen between the fields that were asked for
    "log.decorate": "false",  # names of branches after a commit
    "log.date": "default",  # another form of every date without a format of its own
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
    # Work that git adds to a command.
    "core.hooksPath": os.devnull,  # hooks of the user check or change what *people* commit and push, such as `dvc push`
    "core.fsmonitor": "false",  # a hook that answers which files changed
    "core.useReplaceRefs": "false",  # `git replace` shows other content than the remote has
    "commit.gpgSign": "false",  # asks for a passphrase, or fails without an agent
    "tag.gpgSign": "false",
    "tag.forceSignAnnotated": "false",
    "merge.verifySignatures": "false",  # refuses to merge what is not signed
    "merge.ff": "true",  # `only` contradicts --no-ff
    "merge.autoStash": "false",
    "merge.stat": "false",
    "push.followTags": "false",  # pushes further tags; an atomic push fails with them
    "push.gpgSign": "false",  # a remote without signed pushes refuses it
    "push.pushOption": "",  # a remote without push options refuses it
    "push.recurseSubmodules": "no",  # `only` pushes submodules and not the commit
    "push.useForceIfIncludes": "false",  # refuses a lease on a commit that no reflog has
    "push.negotiate": "false",
    "push.default": "nothing",  # every push names its refs
    "fetch.prune": "false",  # deletes references of the user's
    "fetch.pruneTags": "false",
    "fetch.recurseSubmodules": "no",
    "submodule.recurse": "false",  # checkout and reset change submodules
    "branch.autoSetupMerge": "false",
    "checkout.defaultRemote": "origin",
    # Repositories that git makes.
    "init.defaultBranch": "main",
    "init.templateDir": "",  # brings hooks and settings
    "clone.defaultRemoteName": "origin",
    "clone.rejectShallow": "false",
    "safe.bareRepository": "all",  # `explicit` refuses the agent's mirror, which is bare
    "tar.umask": "0002",  # file modes in an archive
    "trailer.separators": ":",
}
"""Settings by name, each with the reason. Command-line settings win over files, `GIT_CONFIG_*` and the repository's."""

EXACT_BYTES = {
    "core.attributesFile": os.devnull,  # attributes of the user leave files out, or convert them
    "core.autocrlf": "false",  # `archive` and a checkout write CRLF
    "core.eol": "lf",
}
"""Further settings for content that is written as it was committed. Not for the user's own work tree: there they decide
which files count as changed."""

NEUTRAL_ENVIRONMENT = {
    "LC_ALL": "C",  # messages in English
    "GIT_TERMINAL_PROMPT": "0",  # nobody answers
    "GIT_EDITOR": ":",
    "GIT_MERGE_AUTOEDIT": "no",
    "GIT_OPTIONAL_LOCKS": "0",  # reading does not write the index, which an editor may hold
    "GIT_LITERAL_PATHSPECS": "1",  # a path is a path, whatever `*`, `[` or `:(…)` it holds
}
KEPT_VARIABLES = re.compile(
    r"GIT_(CONFIG_\w+|SSH\w*|ASKPASS|SSL_\w+|HTTP_\w+|CURL_\w+|PROXY\w*|PROTOCOL\w*|ALLOW_PROTOCOL|AUTHOR_\w+|COMMITTER_\w+"
    r"|EXEC_PATH|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM)"
)
"""Identity, network, credentials, and where settings lie. All other `GIT_*` variables are dropped: a hook sets GIT_DIR,
GIT_INDEX_FILE and GIT_WORK_TREE, and a command in it would read and write another repository than it names."""


class GitError(UserError):
    """git failed; the message quotes its reason."""


class GitReadError(GitError):
    """Content that should be there could not be read: a missing or corrupt object, a shallow clone."""


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
    """Run `git ARGUMENTS` in `folder`, whatever its exit status; the caller judges that.

    `base` takes the place of this process's environment; `env` is added to it, and `settings` to PINNED. Raises
    GitError when git is not there, or does not end within `seconds`.
    """
    pinned = [word for name, value in (PINNED | (settings or {})).items() for word in ("-c", f"{name}={value}")]
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
        raise GitError(f"git {arguments[0]}: no answer in {seconds:g} s; is the remote there?") from None


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return `base` without the `GIT_*` variables that redirect git or change its output."""
    dropped = {name for name in base if name.startswith("GIT_") and not KEPT_VARIABLES.fullmatch(name)}
    return {**{name: value for name, value in base.items() if name not in dropped}, **NEUTRAL_ENVIRONMENT}


def failure(folder: Path, arguments: Sequence[str], stderr: bytes) -> str:
    """Return one line that says what failed and why, without credentials."""
    lines = stderr.decode(errors="replace").splitlines()
    reason = "; ".join([_reason(lines), *(f"remote: {line}" for line in remote_lines(lines))])
    return redacted(f"git {arguments[0]} in {folder}: {reason}")


def _reason(lines: Sequence[str]) -> str:
    """Return git's own reason; hints and the remote's lines come before and after it."""
    own = [line.strip() for line in lines if line.strip() and not line.startswith("remote:")]
    marked = [line for marker in ("fatal:", "error:") for line in own if line.startswith(marker)]
    return next(iter([*marked, *reversed(own)]), "no reason given")


def remote_lines(lines: Sequence[str]) -> list[str]:
    """Return what the remote printed, without the prefix and empty lines."""
    said = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    return [line for line in said if line][:REMOTE_LINES_MAX]

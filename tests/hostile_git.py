"""Valid git settings, variables and hooks of a user, each of which changes the output or effect of some command."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SETTINGS = {
    "log.showSignature": "true",
    "log.decorate": "full",
    "log.date": "relative",
    "log.follow": "true",
    "log.diffMerges": "separate",
    "format.pretty": "format:%h by %an",
    "core.abbrev": "4",
    "core.quotePath": "true",
    "core.pager": "cat 1>&2",
    "core.fsmonitor": "false",
    "i18n.logOutputEncoding": "UTF-16",
    "i18n.commitEncoding": "ISO-8859-1",
    "column.ui": "always",
    "color.ui": "always",
    "color.diff": "always",
    "color.status": "always",
    "color.branch": "always",
    "color.remote": "always",
    "color.push": "always",
    "color.transport": "always",
    "color.advice": "always",
    "status.showUntrackedFiles": "no",
    "status.relativePaths": "true",
    "status.short": "true",
    "status.branch": "true",
    "diff.renames": "copies",
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "diff.relative": "true",
    "diff.external": "false",
    "diff.ignoreSubmodules": "all",
    "diff.orderFile": "/dev/null",
    "commit.gpgSign": "true",
    "tag.gpgSign": "true",
    "gpg.program": "false",
    "merge.verifySignatures": "true",
    "merge.ff": "only",
    "push.followTags": "true",
    "push.gpgSign": "true",
    "push.pushOption": "ci.skip",
    "push.recurseSubmodules": "check",
    "push.useForceIfIncludes": "true",
    "push.default": "matching",
    "fetch.prune": "true",
    "fetch.pruneTags": "true",
    "remote.origin.prune": "true",
    "remote.origin.tagOpt": "--tags",
    "init.defaultBranch": "trunk",
    "clone.defaultRemoteName": "upstream",
    "safe.bareRepository": "explicit",
    "tar.umask": "0077",
    "trailer.separators": "#",
    "core.autocrlf": "true",
}
VARIABLES = {
    "GIT_DIR": "/nowhere/of.git",
    "GIT_WORK_TREE": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere/index",
    "GIT_OBJECT_DIRECTORY": "/nowhere/objects",
    "GIT_PREFIX": "src/",
    "GIT_EXTERNAL_DIFF": "false",
    "GIT_DIFF_OPTS": "--unified=0",
    "GIT_ICASE_PATHSPECS": "1",
    "GIT_DEFAULT_HASH": "sha256",
    "GIT_TRACE": "1",
    "GIT_PAGER": "false",
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "de",
    "TZ": "Asia/Kathmandu",
}
HOOKS = ("pre-push", "post-checkout", "post-merge", "pre-commit", "commit-msg")
"""Hooks of a client only, because a remote in a local folder rightly runs its server hooks."""


def apply(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure git in this process with all of these, from files in the new folder `folder`."""
    folder.mkdir()
    hooks, template = folder / "hooks", folder / "template"
    for name in HOOKS:
        program(hooks / name, "echo this hook rejects everything >&2; exit 1")
    program(template / "hooks" / "reference-transaction", "exit 1")
    attributes, ignored = folder / "attributes", folder / "ignored"
    attributes.write_text("*.py export-ignore\n*.yaml text eol=crlf\n")
    ignored.write_text("ignored-*\n")
    settings = SETTINGS | {
        "core.hooksPath": str(hooks),
        "core.attributesFile": str(attributes),
        "core.excludesFile": str(ignored),
        "init.templateDir": str(template),
    }
    configuration = folder / "gitconfig"
    for name, value in settings.items():
        subprocess.run(["git", "config", "--file", str(configuration), name, value], check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def without() -> dict[str, str]:
    """Return this process's environment without the variables of `apply`, for commands of the test itself."""
    identity = ("GIT_AUTHOR_", "GIT_COMMITTER_")
    return {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(identity)
    }


def program(path: Path, script: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def signer(folder: Path) -> list[str]:
    """Return git options that sign commits with a new SSH key, or with a stub of gpg where ssh-keygen is missing.

    Commands that show the signature mix lines of gpg or ssh-keygen into their output, or fail on the settings.
    """
    key = folder / "signing-key"
    try:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    except FileNotFoundError:
        return _stub_signer(folder)
    return ["-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "commit.gpgSign=true"]


def _stub_signer(folder: Path) -> list[str]:
    stub = folder / "gpg-stub"
    block = "-----BEGIN PGP SIGNATURE-----\\n\\nc3R1Yg==\\n-----END PGP SIGNATURE-----\\n"
    program(stub, f"cat >/dev/null; printf '[GNUPG:] SIG_CREATED ' >&2; printf -- '{block}'")
    return ["-c", f"gpg.program={stub}", "-c", "commit.gpgSign=true"]

"""Calls of DVC that verify every object by its hash, and report errors in one line."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from slipway import disk, output
from slipway.dvc import cache as dvc_cache
from slipway.dvc import pointers as dvc_data
from slipway.errors import DigestMismatchError, ToolError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ENVIRONMENT = {"DVC_NO_ANALYTICS": "1"}
BUSY = ("Unable to acquire lock", "is busy, it is being blocked")


def pull(*, force: bool = False) -> None:
    """Fetch and check out the data of the `*.dvc` files; with `force`, overwrite changed files in the work tree.

    DVC trusts its cache, and a remote's list of a folder's files even with `verify = true`. So this hashes every object
    before the fetch and after it. Raises UserError naming an object that is missing or corrupt.
    """
    pointers, cache = dvc_data.pointers(), dvc_cache.folder()
    for pointer in pointers:
        dvc_data.outputs(pointer)  # rejects an invalid path before anything is fetched
    for path in dvc_cache.drop_poisoned(cache):
        output.warn(f"{path}: corrupt, its content does not match its name; removed")
    if pointers:
        _fetch(pointers, cache)
        run("checkout", *(["--force"] if force else []), *map(str, pointers))


def _fetch(pointers: Sequence[Path], cache: Path) -> None:
    """Fetch the objects that the cache lacks. Raises UserError naming the first that is missing or corrupt then."""
    failed = None
    try:
        run("fetch", *map(str, pointers))
    except UserError as error:
        failed = error
    dvc_cache.drop_poisoned(cache)
    for pointer in pointers:
        for path, digest in dvc_data.missing(pointer, cache):
            raise DigestMismatchError(
                f"{path}: object {digest} is missing on the remote or corrupt; rejected;"
                f" remove it there, and run `dvc push {pointer}` in a clone that has it"
                + (f" ({failed})" if failed else "")
            )
    if failed:
        raise failed


def run(*arguments: str) -> None:
    """Run `dvc ARGUMENTS` and print its output. Raises UserError when it fails."""
    for line in lines(*arguments):
        output.step(line)


def lines(*arguments: str, keep: Sequence[int] = ()) -> Iterator[str]:
    """Run `dvc ARGUMENTS` and yield its output line by line; it inherits the file descriptors `keep`.

    Raises UserError with the reason when it fails.
    """
    printed: list[str] = []
    with subprocess.Popen(
        ["dvc", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | ENVIRONMENT,
        pass_fds=keep,
    ) as process:
        for line in process.stdout or ():
            if line.strip():
                printed.append(line.strip())
                yield line.rstrip()
    if process.returncode:
        raise ToolError(f"dvc {' '.join(arguments)}: {reason(printed)}")


def reason(printed: Sequence[str]) -> str:
    """Return the reason why DVC failed, in one line, from its output."""
    if any(message in line for message in BUSY for line in printed):
        return "another DVC is running in this folder; wait until it ends, then run the command again"
    errors = [line.removeprefix("ERROR: ") for line in printed if line.startswith("ERROR: ")]
    if failed := re.match(r"failed to reproduce '(\w+)'", errors[-1] if errors else ""):
        stage_errors = [line for line in printed if line.startswith(f"{failed[1]}: ")]
        errors += stage_errors[-1:]
    return disk.explain_output(printed) or next(iter([*reversed(errors), *reversed(printed)]), "no error output")

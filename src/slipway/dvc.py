"""DVC, called so that nothing is used before it was hashed, and that what goes wrong is one line."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from slipway import disk, dvc_cache, dvc_data
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ENVIRONMENT = {"DVC_NO_ANALYTICS": "1"}
BUSY = ("Unable to acquire lock", "is busy, it is being blocked")


def pull(*, force: bool = False) -> None:
    """Bring the data that the `*.dvc` files name into the work tree; with `force`, whatever lies there goes.

    DVC believes its cache, and, of a remote, every list of a folder's files, also with `verify = true`. So every object
    is hashed, before anything is fetched and after that. Raises UserError naming what is not to be had whole.
    """
    pointers, cache = dvc_data.pointers(), dvc_cache.folder()
    for pointer in pointers:
        dvc_data.outputs(pointer)  # what names no place for data is refused before anything is fetched
    for path in dvc_cache.drop_poisoned(cache):
        print(f"{path}: its content is not what its name says; removed", flush=True)
    if pointers:
        _fetch(pointers, cache)
        run("checkout", *(["--force"] if force else []), *map(str, pointers))


def _fetch(pointers: Sequence[Path], cache: Path) -> None:
    """Fetch what the cache lacks. Raises UserError naming the first thing that is not whole then."""
    failed = None
    try:
        run("fetch", *map(str, pointers))
    except UserError as error:
        failed = error
    dvc_cache.drop_poisoned(cache)
    for pointer in pointers:
        for path, digest in dvc_data.missing(pointer, cache):
            raise UserError(
                f"{path}: the remote's object {digest} is missing, or its content is not what its name says; refused;"
                f" remove it there, and `dvc push {pointer}` from a clone that has it"
                + (f" ({failed})" if failed else "")
            )
    if failed:
        raise failed


def run(*arguments: str) -> None:
    """Call `dvc ARGUMENTS` and show what it says. Raises UserError when it fails."""
    for line in lines(*arguments):
        print(line, flush=True)


def lines(*arguments: str, keep: Sequence[int] = ()) -> Iterator[str]:
    """Lines that `dvc ARGUMENTS` prints, as it prints them; it keeps the open files `keep`.

    Raises UserError with its reason when it fails.
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
        raise UserError(f"dvc {' '.join(arguments)}: {reason(printed)}")


def reason(printed: Sequence[str]) -> str:
    """Return why DVC failed, in one line, given the lines that it printed."""
    if any(words in line for words in BUSY for line in printed):
        return "another DVC is at work in this folder; wait until it has ended, then run it again"
    errors = [line.removeprefix("ERROR: ") for line in printed if line.startswith("ERROR: ")]
    if failed := re.match(r"failed to reproduce '(\w+)'", errors[-1] if errors else ""):
        own = [line for line in printed if line.startswith(f"{failed[1]}: ")]  # what the stage itself reported
        errors += own[-1:]
    return disk.explain_output(printed) or next(iter([*reversed(errors), *reversed(printed)]), "no reason given")

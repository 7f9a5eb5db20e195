"""Calls of DVC that verify every object by its hash, and report errors in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway import output
from slipway.dvc import cache as dvc_cache
from slipway.dvc import in_process
from slipway.dvc import pointers as dvc_data
from slipway.errors import DigestMismatchError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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
        in_process.checkout([*map(str, pointers)], force=force)


def _fetch(pointers: Sequence[Path], cache: Path) -> None:
    """Fetch the objects that the cache lacks. Raises UserError naming the first that is missing or corrupt then."""
    failed = None
    try:
        in_process.fetch([*map(str, pointers)])
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

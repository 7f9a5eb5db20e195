"""Pushes to DVC's remote, with verification of each object.

`dvc push` exits with 0 even where its cache lacks an object, and only prints a warning.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway.dvc import cache, pointers
from slipway.dvc import command as dvc
from slipway.errors import MissingFileError, ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping


class MissingObjectError(MissingFileError):
    """An object is not on the remote after a push."""


def push_data(pointer: Path) -> None:
    """Push the outputs of `pointer`. Raises UserError as `push` does."""
    push(pointer, dict(pointers.objects(pointer, cache.folder())))


def push(target: Path, digests: Mapping[str, str], root: Path = Path()) -> None:
    """Push `target` of the repository `root`, and verify that the default remote has every object of it.

    digests: MD5 by path, which ends in `.dir` for the list of a folder's files. Raises MissingObjectError for an object
    that is not on the remote, and UserError when DVC fails.
    """
    list(dvc.lines("push", str(target), root=root))
    require(digests, root)


def require(digests: Mapping[str, str], root: Path = Path()) -> None:
    """Raise MissingObjectError unless the default remote of `root` has every object of `digests`, as for `push`."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            remote = repo.cloud.get_remote_odb(command="push")
            present = set(remote.list_oids_exists(sorted(set(digests.values()))))
    except (DvcException, OSError) as error:
        raise ToolError(f"{root / '.dvc/config'}: cannot verify the push on the remote ({error})") from None
    for path, digest in digests.items():
        if digest not in present:
            raise MissingObjectError(
                f"{path}: object {digest} is not on the remote after `dvc push`; `dvc status --cloud` lists what DVC's"
                " cache lacks; restore it with `dvc fetch` or `dvc repro`, then push again"
            )

"""One training at a time in a folder; one that fails or is killed leaves nothing that the next one trips over."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import dvc, yaml12
from slipway.errors import CONFLICT, UserError, restore_command
from slipway.files import move, write_text
from slipway.git import Git, GitError
from slipway.pipeline import outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path("dvc.lock")
SCRATCH = Path(".dvc/tmp")
BEFORE = SCRATCH / "slipway-before.lock"
"""What dvc.lock was before a training that is under way, or was killed."""
RWLOCK = SCRATCH / "rwlock"


@contextmanager
def alone() -> Iterator[int]:
    """Wait until no other training is at work in this folder, and keep others waiting.

    Gives the open file that holds the lock: a DVC that keeps it open too, and outlives us, is waited for as well.
    """
    if not SCRATCH.parent.is_dir():
        raise UserError(f"{SCRATCH.parent}: not there; run this in the root of the repository")
    SCRATCH.mkdir(exist_ok=True)
    with (SCRATCH / "slipway-train").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            message = f"train: another training (process {file.read()}) is at work here; waiting until it has ended"
            print(message, file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def mend() -> None:
    """Put right what a killed DVC may have left cut off: dvc.lock, and its own list of who uses which path.

    Stages that dvc.lock then says nothing of, or something old, run again. Raises UserError when it is in conflict, or
    there is nothing to take its place.
    """
    if RWLOCK.exists() and not _is_yaml(RWLOCK.read_text(encoding="utf-8")):
        RWLOCK.unlink()
    text = _text(LOCK) if LOCK.exists() else None
    if text is None or is_lock(text):
        return
    try:
        whole, problem = next((old for old in _older(text) if is_lock(old)), None), ""
    except GitError as error:
        whole, problem = None, f" (the committed one cannot be read: {error})"
    if whole is None:
        remedy = restore_command(LOCK) if CONFLICT in text else f"`git checkout origin/main -- {LOCK}`"
        raise UserError(f"{LOCK}: empty, truncated or in conflict; {remedy}, then `slipway train`{problem}")
    write_text(LOCK, whole)
    print(f"{LOCK}: was cut off, as by a training that was killed; it is again what it was before", flush=True)


def _older(text: str) -> Iterator[str]:
    """What dvc.lock was before: none where `text` is in conflict, because that is for a person to decide."""
    if CONFLICT not in text:
        if BEFORE.exists():
            yield BEFORE.read_text(encoding="utf-8")
        git = Git(Path())
        yield (git.read_text("HEAD", f"./{LOCK}") or "") if git.head() else ""


def _is_yaml(text: str) -> bool:
    try:
        return isinstance(yaml12.parse(text), dict)
    except yaml12.YamlError:
        return False


def is_lock(text: str) -> bool:
    """Whether DVC can read `text` as dvc.lock, and its last line is whole."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        content = COMPILED_LOCKFILE_SCHEMA(yaml12.parse(text))
    except (yaml12.YamlError, Invalid):
        return False
    return "stages" in content and text.endswith("\n")


def stages() -> dict[str, Any]:
    """What dvc.lock says of each stage; nothing where there is none."""
    return yaml12.parse(LOCK.read_text(encoding="utf-8"))["stages"] if LOCK.exists() else {}


@contextmanager
def or_as_before() -> Iterator[None]:
    """Let a block train. However it fails, what it did not finish is what it was before, as far as the cache has it.

    DVC removes the outputs of a stage before it runs, and writes dvc.lock in place. So a copy of that is made first:
    to rename it takes no room, and after a kill it is there for `mend`.
    """
    before, texts = stages(), {path: _text(Path(path)) for path in outputs.of_git()}
    if LOCK.exists():
        write_text(BEFORE, LOCK.read_text(encoding="utf-8"))
    try:
        yield
    except BaseException:
        _put_back(before, texts)
        raise
    finally:
        BEFORE.unlink(missing_ok=True)


def _put_back(before: dict[str, Any], texts: dict[str, str]) -> None:
    if BEFORE.exists() and not is_lock(_text(LOCK)):
        move(BEFORE, LOCK)
    unfinished = sorted(stage for stage in outputs.stages() if stage in before and before[stage] == stages().get(stage))
    paths = {out["path"] for stage in unfinished for out in before[stage].get("outs", [])}
    try:
        if unfinished:
            dvc.run("checkout", "--quiet", "--force", *unfinished)
        for path in sorted(paths & texts.keys()):
            if texts[path] != _text(Path(path)):
                write_text(Path(path), texts[path])
    except (OSError, UserError) as error:
        print(f"train: what there was before could not all be put back ({error}); run it again", flush=True)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""

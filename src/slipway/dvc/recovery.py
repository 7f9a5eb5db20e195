"""Recovery of trainings: one at a time in a folder, and a failed or killed one does not break the next."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from slipway import output, yaml12
from slipway.dvc import command, outputs
from slipway.dvc.files import parse_lock, parse_paths_in_use
from slipway.errors import CONFLICT, MissingFileError, UnreadableFileError, UserError, restore_command
from slipway.files import locks, move, write_text
from slipway.git import Git, GitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.dvc.files import LockedStage

LOCK = Path("dvc.lock")
SCRATCH = Path(".dvc/tmp")
BEFORE = SCRATCH / "slipway-before.lock"
"""Copy of dvc.lock before a training that is running or was killed."""
RWLOCK = SCRATCH / "rwlock"
CLOCK_SECONDS = 2.0  # by which the start of a process, counted from that of the machine, may differ from a file's time


@contextmanager
def alone() -> Iterator[int]:
    """Hold the lock on trainings in this folder, and wait for it first.

    Yields the file descriptor of the lock. A DVC process that inherits it and outlives this one holds the lock too.
    """
    if not SCRATCH.parent.is_dir():
        raise MissingFileError(f"{SCRATCH.parent}: not found; run this in the root of the repository")
    path = SCRATCH / "slipway-train"
    try:
        lock = locks.take(path, wait=False)
    except locks.LockedError as error:
        output.warn(f"train: another training (process {error.process}) is running here; waiting until it ends")
        lock = locks.take(path)
    with lock:
        yield lock.fileno()


def repair() -> None:
    """Repair files that a killed DVC may have truncated: dvc.lock, and DVC's list of paths in use.

    Stages without a current entry in the repaired dvc.lock run again. Raises UserError when dvc.lock is in conflict or
    has no older version.
    """
    release_paths()
    text = _text(LOCK) if LOCK.exists() else None
    if text is None or is_lock(text):
        return
    try:
        older, problem = next((old for old in _older(text) if is_lock(old)), None), ""
    except GitError as error:
        older, problem = None, f" (cannot read the committed version: {error})"
    if older is None:
        remedy = restore_command(LOCK) if CONFLICT in text else f"`git checkout origin/main -- {LOCK}`"
        raise UnreadableFileError(f"{LOCK}: empty, truncated or in conflict; {remedy}, then `slipway train`{problem}")
    write_text(LOCK, older)
    output.warn(f"{LOCK}: was truncated, probably by a killed training; restored the version before it")


def _older(text: str) -> Iterator[str]:
    """Yield older versions of dvc.lock; none where `text` is in conflict, because only a user can resolve that."""
    if CONFLICT not in text:
        if BEFORE.exists():
            yield BEFORE.read_text(encoding="utf-8")
        git = Git(Path())
        yield (git.read_text("HEAD", f"./{LOCK}") or "") if git.head() else ""


def release_paths() -> None:
    """Remove DVC's list of paths in use if it is truncated, or if every process in it is dead.

    DVC (3.67.1, `dvc.rwlock`) considers a process alive as long as its id is in use. A killed process keeps its id
    until its parent reaps it, which in a container without an init process is never; after a restart of the machine,
    another process may have it.
    """
    if not RWLOCK.exists():
        return
    try:
        users = parse_paths_in_use(RWLOCK.read_text(encoding="utf-8")).users
    except ValueError:
        RWLOCK.unlink()
        return
    written = RWLOCK.stat().st_mtime
    if not any(_is_running(user.pid, before=written) for user in users):
        RWLOCK.unlink()


def _is_running(pid: int, *, before: float) -> bool:
    """Return whether process `pid` runs and started `before` that time, in seconds since the epoch."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() < before + CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False


def is_lock(text: str) -> bool:
    """Return whether DVC can read `text` as dvc.lock, and its last line is complete."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        content = COMPILED_LOCKFILE_SCHEMA(yaml12.parse(text))
    except (yaml12.YamlError, Invalid):
        return False
    return "stages" in content and text.endswith("\n")


def stages() -> dict[str, LockedStage]:
    """Return the entries of dvc.lock by stage; empty where the file is missing."""
    return parse_lock(LOCK.read_text(encoding="utf-8")).stages if LOCK.exists() else {}


@contextmanager
def restored_on_failure() -> Iterator[None]:
    """Run a block that trains; on failure restore the outputs of unfinished stages, as far as the cache has them.

    DVC removes the outputs of a stage before it runs, and writes dvc.lock in place. So this copies dvc.lock first:
    renaming the copy back needs no disk space, and after a kill `repair` finds it.
    """
    before, contents = stages(), {path: _text(Path(path)) for path in outputs.of_git()}
    if LOCK.exists():
        write_text(BEFORE, LOCK.read_text(encoding="utf-8"))
    try:
        yield
    except BaseException:
        _restore(before, contents)
        raise
    finally:
        BEFORE.unlink(missing_ok=True)


def _restore(before: Mapping[str, LockedStage], contents: dict[str, str]) -> None:
    if BEFORE.exists() and not is_lock(_text(LOCK)):
        move(BEFORE, LOCK)
    unfinished = sorted(stage for stage in outputs.stages() if stage in before and before[stage] == stages().get(stage))
    paths = {out.path for stage in unfinished for out in before[stage].outs}
    try:
        if unfinished:
            command.run("checkout", "--quiet", "--force", *unfinished)
        for path in sorted(paths & contents.keys()):
            if contents[path] != _text(Path(path)):
                write_text(Path(path), contents[path])
    except (OSError, UserError) as error:
        output.warn(f"train: some earlier outputs could not be restored ({error}); run `slipway train` again")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""

"""The erasure of one data subject: a plan that changes nothing, then effects in an order that can be continued.

New objects are stored first, then the log names what they replace, then everything else follows, and the old objects
are removed last: files before the lists of the versions that name them. Each effect may be repeated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import problem
from slipway import output, yaml12
from slipway.dvc import files as dvc_files
from slipway.dvc import pointers
from slipway.environment.deploy_branch import BRANCH, DeployBranch
from slipway.erasure import data_versions, erasure_log, file_formats, logged_rows, object_stores
from slipway.erasure.erasure_log import Erasure, ErasureLog
from slipway.errors import ArgumentError, DataError, SettingError, WorkTreeError
from slipway.figures import count as counted
from slipway.files import locks, write_bytes, write_json, write_text
from slipway.git import Git
from slipway.release import evidence
from slipway.release.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.erasure.data_versions import DataVersions
    from slipway.erasure.object_stores import ObjectStores

ROOT = Path()
LOCK = Path(".dvc/tmp/erase.lock")


@dataclass
class Plan:
    """What to erase: objects by old and new MD5, without what an earlier erasure has completed."""

    rows: int = 0
    replaced: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    """Path of each stage output by its digest."""
    paths: dict[str, str] = field(default_factory=dict)
    """Path of each file that holds rows to erase, by its digest."""
    kept: set[str] = field(default_factory=set)
    """Digests of the files without such rows."""
    releases: list[str] = field(default_factory=list)
    logged: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """Return the digests of files."""
        return [digest for digest in self.replaced if not digest.endswith(".dir")]

    @property
    def lists(self) -> list[str]:
        """Return the digests of the lists of folders."""
        return [digest for digest in self.replaced if digest.endswith(".dir")]

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is left to erase."""
        return not self.replaced and not self.dropped and not any(self.logged.values())


def erase(key: str, *, confirmed: bool) -> None:
    """Print what an erasure of `key` removes, and remove it if `confirmed`. Raises UserError before any effect."""
    column, git = _require_erasable(key), Git(ROOT)
    with locks.take(LOCK, wait=False), object_stores.opened(ROOT) as stores:
        log = erasure_log.read()
        unfinished = log.unfinished
        if unfinished and unfinished.key != erasure_log.hashed(key):
            raise ArgumentError(
                f"{erasure_log.LOG}: the erasure of {unfinished.started} is incomplete; run it again with its own key"
                " in the clone that started it"
            )
        versions = data_versions.read(git)
        plan = Planner(stores, log, versions, column, key).plan(git)
        for pointer in pointers.pointers():
            _require_unchanged(pointer, stores, plan)
        done = not confirmed or (plan.is_empty and unfinished is None)
        if not done:
            _apply(plan, stores, log, unfinished, column, key)
    output.result(_document(plan, confirmed), lambda: "\n".join(_lines(plan, column, confirmed)))


def _require_erasable(key: str) -> str:
    """Return the column of the key. Raises UserError where nothing can be erased."""
    column = getattr(problem, "SUBJECT_KEY", None)
    if not isinstance(column, str):
        raise SettingError(
            "src/problem/__init__.py: SUBJECT_KEY is missing; set it to the column that identifies a data subject"
        )
    if not key:
        raise ArgumentError(f"KEY: empty; enter a value of the column {column}")
    if embedded := dvc_files.embedded_store(ROOT):
        raise SettingError(
            f"{embedded}: the data is committed in git, whose commits cannot change; move it to a remote outside"
            " (docs/scale.md), and remove the folder from the history, then erase"
        )
    return column


class Planner:
    """Reads every version of the data once."""

    def __init__(self, stores: ObjectStores, log: ErasureLog, versions: DataVersions, column: str, key: str) -> None:
        self._stores, self._log, self._versions = stores, log, versions
        self._column, self._key = column, key
        self._unfinished = log.unfinished.replaced if log.unfinished else {}
        self._plan = Plan()
        self._has_column = False

    def plan(self, git: Git) -> Plan:
        """Return the plan, and store nothing. Raises UserError where a file cannot be read, or none has the column."""
        for digest, path in self._versions.paths.items():
            read = self._folder if digest.endswith(".dir") else self._file
            read(digest, path)
        if not self._has_column and not self._plan.replaced:
            raise DataError(f"SUBJECT_KEY: no file in any version of the data has the column {self._column}; rename it")
        affected = {digest for digest in self._plan.replaced if digest in self._versions.paths}
        derived = self._versions.derived(affected, str(dvc_files.DvcFiles.read(ROOT).model))
        self._plan.dropped = {digest: path for digest, path in derived.items() if self._stores.has(digest)}
        self._plan.releases = list(_trained_on(git, affected))
        self._plan.logged = logged_rows.counts(self._column, self._key)
        return self._plan

    def _folder(self, digest: str, path: str) -> None:
        content = self._stores.read(digest)
        if content is None:
            self._missing(digest)
            return
        entries = json.loads(content)
        for entry in entries:
            self._file(entry["md5"], f"{path}/{entry['relpath']}")
        renewed = [entry | {"md5": self._plan.replaced.get(entry["md5"], entry["md5"])} for entry in entries]
        if renewed != entries:
            self._plan.replaced[digest] = f"{object_stores.md5(listing(renewed))}.dir"

    def _file(self, digest: str, path: str) -> None:
        if digest in self._plan.kept or digest in self._plan.replaced:
            return
        content = self._stores.read(digest)
        if content is None:
            self._missing(digest)
            return
        if Path(path).name.startswith("."):
            self._plan.kept.add(digest)
            return
        remaining, number = file_formats.without_subject(path, content, self._column, self._key)
        self._has_column |= number is not None
        if number:
            self._plan.rows += number
            self._plan.paths[digest] = path
            self._plan.replaced[digest] = object_stores.md5(remaining)
        else:
            self._plan.kept.add(digest)

    def _missing(self, digest: str) -> None:
        """Continue with an object that a killed run has removed; any other is in neither the cache nor a remote."""
        if digest in self._unfinished:
            self._plan.replaced[digest] = self._unfinished[digest]
        elif digest not in self._log.replaced:
            output.warn(f"{digest}: in neither the cache nor a remote, so it was not searched")


def _trained_on(git: Git, affected: set[str]) -> Iterator[str]:
    """Yield the releases whose commit names an affected version of the data."""
    if not affected or git.remote_url() is None:
        return
    branch = DeployBranch(git)
    branch.fetch()
    for version in branch.versions():
        if data_versions.of_commit(git, branch.published(version).commit) & affected:
            yield version


def _apply(
    plan: Plan, stores: ObjectStores, log: ErasureLog, unfinished: Erasure | None, column: str, key: str
) -> None:
    new = Erasure(started=_now(), key=erasure_log.hashed(key), column=column)
    _store_new(plan, stores, column, key)
    erasure = _merged(unfinished or new, plan)
    erasure_log.write(log.with_erasure(erasure))
    for pointer in pointers.pointers():
        _renew(pointer, stores, plan)
    _note(erasure)
    logged = logged_rows.erase(column, key)
    for path, digest in dvc_files.DvcFiles.read(ROOT).outputs.items():
        if digest in plan.dropped:
            _remove_output(Path(path))
    for digest in plan.dropped:
        for member in {*_members(digest, stores)} - plan.kept:
            stores.delete(member)
    for digest in [*plan.dropped, *plan.files, *plan.lists]:
        stores.delete(digest)
    finished = erasure.model_copy(update={"finished": _now(), "logged": erasure.logged + logged})
    erasure_log.write(log.with_erasure(finished))


def _store_new(plan: Plan, stores: ObjectStores, column: str, key: str) -> None:
    """Store the objects that replace erased ones, which a killed run may have stored already."""
    for digest in plan.files:
        content = stores.read(digest)
        if content is not None:
            remaining, _ = file_formats.without_subject(plan.paths[digest], content, column, key)
            stores.put(plan.replaced[digest], remaining)
    for digest in plan.lists:
        content = stores.read(digest)
        if content is not None:
            entries = [entry | {"md5": plan.replaced.get(entry["md5"], entry["md5"])} for entry in json.loads(content)]
            stores.put(plan.replaced[digest], listing(entries))


def listing(entries: list[dict[str, Any]]) -> bytes:
    """Return the list of a folder's files as DVC writes it."""
    return json.dumps(sorted(entries, key=lambda entry: str(entry["relpath"])), sort_keys=True).encode()


def _members(digest: str, stores: ObjectStores) -> list[str]:
    """Return the digests of the files in a folder's list; none for a file."""
    content = stores.read(digest) if digest.endswith(".dir") else None
    return [entry["md5"] for entry in json.loads(content or b"[]")]


def _merged(erasure: Erasure, plan: Plan) -> Erasure:
    """Return the record with what this run adds to it."""
    return erasure.model_copy(
        update={
            "rows": max(erasure.rows, plan.rows),
            "replaced": erasure.replaced | plan.replaced,
            "dropped": sorted({*erasure.dropped, *plan.dropped}),
            "releases": sorted({*erasure.releases, *plan.releases}),
        }
    )


def _contents(digest: str, path: str, stores: ObjectStores) -> dict[Path, str]:
    """Return the digest of each file of an output by its path."""
    if not digest.endswith(".dir"):
        return {Path(path): digest}
    content = stores.read(digest)
    return {Path(path) / entry["relpath"]: entry["md5"] for entry in json.loads(content or b"[]")}


def _require_unchanged(pointer: Path, stores: ObjectStores, plan: Plan) -> None:
    """Raise WorkTreeError if a file that is going to be written differs from its version."""
    for out in pointers.outputs(pointer):
        for path, digest in _contents(out.md5 or "", out.path, stores).items():
            if path.exists() and digest in plan.replaced:
                actual = object_stores.md5(path.read_bytes())
                if actual not in {digest, plan.replaced[digest]}:
                    raise WorkTreeError(f"{path}: differs from {pointer}; run `dvc add {out.path}` or `slipway pull`")


def _renew(pointer: Path, stores: ObjectStores, plan: Plan) -> None:
    """Write the files of a pointer without the erased rows, then the pointer itself."""
    for out in pointers.outputs(pointer):
        if out.md5 not in plan.replaced:
            continue
        digest = plan.replaced[out.md5]
        for path, member in _contents(digest, out.path, stores).items():
            content = stores.read(member)
            if content is not None and path.exists() and path.read_bytes() != content:
                write_bytes(path, content)
        size = sum(len(stores.read(member) or b"") for member in _contents(digest, out.path, stores).values())
        _edit(pointer, out.path, digest, size)


def _edit(pointer: Path, path: str, digest: str, size: int) -> None:
    def change(content: dict[str, Any]) -> None:
        for out in content["outs"]:
            if out["path"] == path:
                out["md5"], out["size"] = digest, size

    write_text(pointer, yaml12.edited(pointer.read_text(encoding="utf-8"), change))


def _note(erasure: Erasure) -> None:
    """Store a note with each release that was trained on an erased row, unless the store has pruned it."""
    if not erasure.releases:
        return
    store = open_store()
    present = set(store.versions())
    name = f"erased-rows-{erasure.started.replace(':', '').replace('-', '')}.json"
    with TemporaryDirectory() as scratch, evidence.unless_immutable(f"The note remains in {erasure_log.LOG}."):
        for version in erasure.releases:
            if version in present:
                note = {"release": version, "erased": erasure.started, "note": "trained on data with erased rows"}
                write_json(Path(scratch) / name, note)
                store.add_evidence(version, [Path(scratch) / name])


def _remove_output(path: Path) -> None:
    """Remove the output of a stage from the work tree; the next `dvc repro` writes it again."""
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if file.is_file():
            file.unlink()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _document(plan: Plan, confirmed: bool) -> dict[str, Any]:
    return {
        "erased": confirmed,
        "rows": plan.rows,
        "files": len(plan.files),
        "versions": len(plan.lists),
        "outputs": len(plan.dropped),
        "logged": plan.logged,
        "releases": plan.releases,
    }


def _lines(plan: Plan, column: str, confirmed: bool) -> Iterator[str]:
    if plan.is_empty:
        yield f"no row, log or object has this {column}; nothing to erase"
        return
    versions = f"{counted(len(plan.files), 'file')} and {counted(len(plan.lists), 'folder')} of all versions"
    yield f"data: {counted(plan.rows, 'row')} in {versions}"
    yield f"stage outputs: {len(plan.dropped)}"
    for environment, number in plan.logged.items():
        yield f"prediction log of {environment}: {counted(number, 'row')}, raw and collected"
    yield f"releases trained on them: {', '.join(plan.releases) or 'none'}"
    if not confirmed:
        yield "nothing was changed; pass --yes to erase"
        return
    changed = ", ".join(map(str, [*pointers.pointers(), erasure_log.LOG]))
    yield f"erased; commit {changed}, and merge them before the next training"
    yield f"`{BRANCH}` and older commits name objects that are gone; {erasure_log.LOG} has their successors"

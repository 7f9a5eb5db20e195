"""Paths and hashes in the files of DVC (`dvc.yaml`, `dvc.lock`, `*.dvc`), read without starting DVC."""

from __future__ import annotations

import configparser
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway import yaml12
from slipway.errors import MissingFileError, SettingError, UnreadableFileError, restore_command
from slipway.schema.bounds import Absent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

D = TypeVar("D", bound="DvcFile")
ARTIFACT = "model"  # as under `artifacts:` in dvc.yaml
LOCK = "dvc.lock"
PIPELINE = "dvc.yaml"
RELEASED = "released"
"""Folder of a release commit with the model as plain files, where DVC's store is part of the repository."""


class DvcFile(BaseModel):
    """A file of DVC, or part of one. Keys that only DVC reads are kept and compared."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)  # few commands read a file of DVC


class DvcEntry(DvcFile):
    """A dependency or an output."""

    path: str
    md5: Absent[str] = None
    """Hash of a file, or of the list of a folder's files, which ends in `.dir`."""
    size: Absent[int] = None
    """Bytes."""
    nfiles: Absent[int] = None


class LockedStage(DvcFile):
    """The last run of a stage."""

    deps: list[DvcEntry] = []
    outs: list[DvcEntry] = []


class DvcLock(DvcFile):
    """Content of dvc.lock."""

    stages: dict[str, LockedStage] = {}

    @property
    def outputs(self) -> dict[str, str]:
        """Return the MD5 of every output of every stage, by path; empty for an output without one."""
        return {out.path: out.md5 or "" for stage in self.stages.values() for out in stage.outs}


class DvcPointer(DvcFile):
    """Content of a `*.dvc` file."""

    outs: list[DvcEntry]
    wdir: str | None = None
    """Folder that the paths are relative to, in place of that of the file."""


class PipelineStage(DvcFile):
    """A stage of dvc.yaml: each output is a path, or a path with its settings."""

    outs: list[str | dict[str, dict[str, Any] | None]] = []
    metrics: list[str | dict[str, dict[str, Any] | None]] = []
    plots: list[str | dict[str, dict[str, Any] | None]] = []

    @property
    def outputs(self) -> Iterator[tuple[str, bool]]:
        """Yield (path, whether it is in DVC's cache) of each output, metric and plot."""
        for entry in (*self.outs, *self.metrics, *self.plots):
            for path, settings in ({entry: None} if isinstance(entry, str) else entry).items():
                yield path, bool((settings or {}).get("cache", True))

    @property
    def metrics_paths(self) -> list[str]:
        """Return the path of each metric."""
        return [path for entry in self.metrics for path in ([entry] if isinstance(entry, str) else entry)]


class DvcArtifact(DvcFile):
    """A model or data set that dvc.yaml names."""

    path: str


class DvcPipeline(DvcFile):
    """Content of dvc.yaml."""

    stages: dict[str, PipelineStage] = {}
    artifacts: dict[str, DvcArtifact] = {}


class DvcUser(DvcFile):
    """A process of DVC that uses a path."""

    pid: int


class DvcPathsInUse(DvcFile):
    """Content of .dvc/tmp/rwlock: who reads and who writes each path."""

    read: dict[str, list[DvcUser]] = {}
    write: dict[str, DvcUser] = {}

    @property
    def users(self) -> list[DvcUser]:
        """Return the processes, once for each path."""
        return [*(user for users in self.read.values() for user in users), *self.write.values()]


def parse_lock(text: str) -> DvcLock:
    """Return the content of a dvc.lock. Raises ValueError for other content."""
    return DvcLock.model_validate(yaml12.parse_mapping(text))


def parse_pointer(text: str) -> DvcPointer:
    """Return the content of a `*.dvc` file. Raises ValueError for other content."""
    return DvcPointer.model_validate(yaml12.parse_mapping(text))


def parse_pipeline(text: str) -> DvcPipeline:
    """Return the content of a dvc.yaml. Raises ValueError for other content."""
    return DvcPipeline.model_validate(yaml12.parse_mapping(text))


def parse_paths_in_use(text: str) -> DvcPathsInUse:
    """Return the content of a rwlock. Raises ValueError for other content."""
    return DvcPathsInUse.model_validate_json(text)


def entry_of(lock: str, stage: str) -> Mapping[str, Any]:
    """Return everything that the text of a dvc.lock states about a stage; empty where it states nothing.

    For comparisons: a typed entry would equal another one where DVC accepts what the type does not.
    """
    try:
        stages = yaml12.parse_mapping(lock).get("stages")
    except (ValueError, RecursionError):
        return {}
    return stages.get(stage) or {} if isinstance(stages, dict) else {}


@dataclass(frozen=True)
class DvcFiles:
    """The pipeline in the folder `root` and its lock file."""

    root: Path
    pipeline: DvcPipeline
    lock: DvcLock

    @classmethod
    def read(cls, root: Path) -> DvcFiles:
        """Read the files in `root`. Raises UserError when the pipeline has not run."""
        return cls(root, _read(root / PIPELINE, parse_pipeline), _read(root / LOCK, parse_lock))

    @property
    def outputs(self) -> dict[str, str]:
        """Return the MD5 of every output of every stage, by path."""
        return self.lock.outputs

    @property
    def model(self) -> Path:
        """Return the folder of the artifact `model`, relative to `root`. Raises SettingError without that artifact."""
        try:
            return Path(self.pipeline.artifacts[ARTIFACT].path)
        except KeyError:
            raise SettingError(
                f"{self.root / PIPELINE}: has no artifact `{ARTIFACT}`; add it under `artifacts:` with its path"
            ) from None

    @property
    def prepared(self) -> Path:
        """Return the folder of rows that stage `prepare` wrote, relative to `root`."""
        return Path(self.lock.stages["prepare"].outs[0].path)

    @property
    def metrics(self) -> list[str]:
        """Return the paths of the metrics of all stages that ran; they are JSON files in git."""
        declared = {path for stage in self.pipeline.stages.values() for path in stage.metrics_paths}
        return sorted(declared & self.outputs.keys())

    @property
    def data(self) -> dict[str, str]:
        """Return the MD5 of every input that a `*.dvc` file tracks, by path."""
        files = (_read(file, parse_pointer) for file in sorted(self.root.glob("*.dvc")) if file.is_file())
        return {out.path: out.md5 or "" for file in files for out in file.outs}

    @property
    def data_version(self) -> str:
        """Return `data` as one string: the MD5 of a single input, or JSON with the MD5 of each input by path."""
        data = self.data
        return next(iter(data.values())) if len(data) == 1 else json.dumps(data, sort_keys=True)

    @property
    def embedded_store(self) -> str | None:
        """Return `embedded_store` of `root`."""
        return embedded_store(self.root)


class Remote(NamedTuple):
    """A remote of DVC. `verify`: whether DVC hashes what it fetches."""

    name: str
    url: str
    verify: bool


def default_remote(root: Path) -> Remote:
    """Return the default remote of the repository `root`; without one, its name and URL are empty."""
    config = configparser.ConfigParser()
    config.read(root / ".dvc" / "config")
    name = config.get("core", "remote", fallback="")
    section = f"'remote \"{name}\"'"
    url, verify = (config.get(section, key, fallback="") for key in ("url", "verify"))
    return Remote(name, url, verify.lower() == "true")


def embedded_store(root: Path) -> str | None:
    """Return the path of the default remote relative to `root` when it is inside the repository, else None."""
    url = default_remote(root).url
    if not url or "://" in url:
        return None
    folder = (root / ".dvc" / url).resolve()
    return folder.relative_to(root.resolve()).as_posix() if folder.is_relative_to(root.resolve()) else None


def as_plain_files(text: str, model: Path, without: str) -> dict[str, bytes]:
    """Return the files of `model` under RELEASED and a `dvc.yaml` whose artifact points there, by path.

    DVC can read a remote inside a repository only in a checkout. With plain files in the commit,
    `dvc artifacts get <URL of the repository> model` needs no remote. git stores equal content once.
    """
    target = f"{RELEASED}/{model.name}"

    def rename(pipeline: dict[str, Any]) -> None:
        pipeline["artifacts"][ARTIFACT]["path"] = target

    files = {f"{target}/{name}": content for name, content in _contents(model, without).items()}
    return {PIPELINE: yaml12.edited(text, rename).encode(), **files}


def blobs(folder: Path, without: str = "") -> tuple[str, dict[str, bytes]]:
    """Return DVC's MD5 of `folder` without the file `without`, and its objects by path in a remote."""
    contents = _contents(folder, without)
    hashes = {name: _md5(content) for name, content in contents.items()}
    listing = json.dumps([{"md5": hashes[name], "relpath": name} for name in sorted(contents)], sort_keys=True).encode()
    objects = {_object_path(hashes[name]): content for name, content in contents.items()}
    whole = f"{_md5(listing)}.dir"
    return whole, objects | {_object_path(whole): listing}


def md5_of(file: Path) -> str:
    """Return DVC's MD5 of a file."""
    return _md5(file.read_bytes())


def _contents(folder: Path, without: str) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != without]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def _object_path(md5: str) -> str:
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def digest_of(object_path: str) -> str:
    """Return the MD5 of the object at a path in a remote, see `blobs`."""
    return "".join(object_path.split("/")[-2:])


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _read(path: Path, parse: Callable[[str], D]) -> D:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: not found; run `slipway train` first") from None
    except yaml12.YamlError as error:
        raise UnreadableFileError(
            f"{path}: not YAML ({error}); run {restore_command(path.name)}, then `slipway train`"
        ) from None
    except ValidationError as error:
        raise UnreadableFileError(f"{path}: {first_error(error)}; run {restore_command(path.name)}") from None


def first_error(error: ValidationError) -> str:
    """Return the key that a validation rejects, and why."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"

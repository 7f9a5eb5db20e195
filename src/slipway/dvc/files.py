"""Paths and hashes in the files of DVC (`dvc.yaml`, `dvc.lock`, `*.dvc`), read without starting DVC."""

from __future__ import annotations

import configparser
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway import yaml12
from slipway.errors import MissingFileError, SettingError, UnreadableFileError, restore_command

ARTIFACT = "model"  # as under `artifacts:` in dvc.yaml
LOCK = "dvc.lock"
PIPELINE = "dvc.yaml"
RELEASED = "released"
"""Folder of a release commit with the model as plain files, where DVC's store is part of the repository."""


@dataclass(frozen=True)
class DvcFiles:
    """The pipeline in the folder `root` and its lock file."""

    root: Path
    pipeline: dict[str, Any]
    lock: dict[str, Any]

    @classmethod
    def read(cls, root: Path) -> DvcFiles:
        """Read the files in `root`. Raises UserError when the pipeline has not run."""
        return cls(root, _read(root / PIPELINE), _read(root / LOCK))

    @property
    def outputs(self) -> dict[str, str]:
        """Return the MD5 of every output of every stage, by path."""
        return {out["path"]: out["md5"] for stage in self.lock["stages"].values() for out in stage.get("outs", [])}

    @property
    def model(self) -> Path:
        """Return the folder of the artifact `model`, relative to `root`."""
        try:
            return Path(self.pipeline["artifacts"][ARTIFACT]["path"])
        except KeyError:
            raise SettingError(
                f"{self.root / PIPELINE}: has no artifact `{ARTIFACT}`; add it under `artifacts:` with its path"
            ) from None

    @property
    def prepared(self) -> Path:
        """Return the folder of rows that stage `prepare` wrote, relative to `root`."""
        return Path(self.lock["stages"]["prepare"]["outs"][0]["path"])

    @property
    def metrics(self) -> list[str]:
        """Return the paths of the metrics of all stages that ran; they are JSON files in git."""
        stages = self.pipeline["stages"].values()
        declared = {path for stage in stages for entry in stage.get("metrics", []) for path in _paths(entry)}
        return sorted(declared & self.outputs.keys())

    @property
    def data(self) -> dict[str, str]:
        """Return the MD5 of every input that a `*.dvc` file tracks, by path."""
        files = (_read(file) for file in sorted(self.root.glob("*.dvc")) if file.is_file())
        return {out["path"]: out["md5"] for file in files for out in file.get("outs", [])}

    @property
    def data_version(self) -> str:
        """Return `data` as one string: the MD5 of a single input, or JSON with the MD5 of each input by path."""
        data = self.data
        return next(iter(data.values())) if len(data) == 1 else json.dumps(data, sort_keys=True)

    @property
    def embedded_store(self) -> str | None:
        """Return the path of the default remote relative to `root` when it is inside the repository, else None."""
        config = configparser.ConfigParser()
        config.read(self.root / ".dvc" / "config")
        remote = config.get("core", "remote", fallback=None)
        url = config.get(f"'remote \"{remote}\"'", "url", fallback="")
        if not url or "://" in url:
            return None
        folder = (self.root / ".dvc" / url).resolve()
        return (
            folder.relative_to(self.root.resolve()).as_posix() if folder.is_relative_to(self.root.resolve()) else None
        )


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


def _paths(entry: str | dict[str, Any]) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry)


def _read(path: Path) -> dict[str, Any]:
    try:
        return yaml12.parse_mapping(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: not found; run `slipway train` first") from None
    except yaml12.YamlError as error:
        raise UnreadableFileError(
            f"{path}: not YAML ({error}); run {restore_command(path.name)}, then `slipway train`"
        ) from None

"""Outputs of the stages of dvc.yaml: those in DVC's cache, which must not be in git, and those in git."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import yaml12
from slipway.dvc import pointers
from slipway.errors import MissingFileError, RejectedError, UnreadableFileError, unreadable_message
from slipway.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterator

DVC_PATHS = (".dvc/cache", ".dvc/tmp", ".dvc/config.local")
PIPELINE = Path("dvc.yaml")


def stages() -> dict[str, dict[str, Any]]:
    """Return the stages of dvc.yaml. Raises UserError when it is missing or not YAML."""
    if not PIPELINE.is_file():
        raise MissingFileError(f"{PIPELINE}: not found; run this in the root of the repository")
    text = PIPELINE.read_text(encoding="utf-8")
    try:
        stages: dict[str, dict[str, Any]] = yaml12.parse_mapping(text)["stages"]
    except yaml12.YamlError as error:
        raise UnreadableFileError(unreadable_message(PIPELINE, text, f"not YAML ({error})")) from None
    return stages


def of_git() -> list[str]:
    """Return the outputs of stages in git: metrics and plots."""
    return [path for path, in_cache in _outputs() if not in_cache]


def metrics(stage: str) -> list[str]:
    """Return the paths of the metrics of a stage of dvc.yaml."""
    return [_entry(entry)[0] for entry in stages()[stage]["metrics"]]


def refuse_planted() -> None:
    """Raise UserError for the first file in git that DVC makes or fetches.

    DVC would accept it as its own output and not make it again, so a pull request could contain an untrained model.
    """
    made = [path for path, in_cache in _outputs() if in_cache]
    data = [out["path"] for pointer in pointers.pointers() for out in pointers.outputs(pointer)]
    tracked = Git(Path()).tracked(*DVC_PATHS, *made, *data)
    if tracked:
        path = tracked[0]
        raise RejectedError(
            f"{path}: is in git, but DVC makes it or fetches it, so its origin cannot be verified; rejected;"
            f" `git rm --cached {path}`, and commit"
        )


def _outputs() -> Iterator[tuple[str, bool]]:
    """Yield (path, whether it is in DVC's cache) of each output of each stage."""
    for stage in stages().values():
        for entry in (entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])):
            path, settings = _entry(entry)
            yield path, settings.get("cache", True)


def _entry(entry: str | dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return (entry, {}) if isinstance(entry, str) else next((path, settings or {}) for path, settings in entry.items())

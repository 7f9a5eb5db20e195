"""Outputs of the stages of dvc.yaml: those in DVC's cache, which must not be in git, and those in git."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from slipway import yaml12
from slipway.dvc import files, pointers
from slipway.errors import MissingFileError, RejectedError, UnreadableFileError, unreadable_message
from slipway.git import Git

if TYPE_CHECKING:
    from slipway.dvc.files import PipelineStage

DVC_PATHS = (".dvc/cache", ".dvc/tmp", ".dvc/config.local")
PIPELINE = Path("dvc.yaml")


def stages() -> dict[str, PipelineStage]:
    """Return the stages of dvc.yaml. Raises UserError when it is missing or of another form."""
    if not PIPELINE.is_file():
        raise MissingFileError(f"{PIPELINE}: not found; run this in the root of the repository")
    text = PIPELINE.read_text(encoding="utf-8")
    try:
        return files.parse_pipeline(text).stages
    except yaml12.YamlError as error:
        raise UnreadableFileError(unreadable_message(PIPELINE, text, f"not YAML ({error})")) from None
    except ValidationError as error:
        raise UnreadableFileError(unreadable_message(PIPELINE, text, files.first_error(error))) from None


def of_git() -> list[str]:
    """Return the outputs of stages in git: metrics and plots."""
    return [path for stage in stages().values() for path, in_cache in stage.outputs if not in_cache]


def metrics(stage: str) -> list[str]:
    """Return the paths of the metrics of a stage of dvc.yaml."""
    return stages()[stage].metrics_paths


def refuse_planted() -> None:
    """Raise UserError for the first file in git that DVC makes or fetches.

    DVC would accept it as its own output and not make it again, so a pull request could contain an untrained model.
    """
    made = [path for stage in stages().values() for path, in_cache in stage.outputs if in_cache]
    data = [out.path for pointer in pointers.pointers() for out in pointers.outputs(pointer)]
    tracked = Git(Path()).tracked(*DVC_PATHS, *made, *data)
    if tracked:
        path = tracked[0]
        raise RejectedError(
            f"{path}: is in git, but DVC makes it or fetches it, so its origin cannot be verified; rejected;"
            f" `git rm --cached {path}`, and commit"
        )

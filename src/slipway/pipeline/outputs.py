"""What the stages of dvc.yaml make: what DVC keeps, which may not be in git, and what git keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import dvc_data, yaml12
from slipway.errors import UserError, unreadable_message
from slipway.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_DVC = (".dvc/cache", ".dvc/tmp", ".dvc/config.local")
PIPELINE = Path("dvc.yaml")


def stages() -> dict[str, dict[str, Any]]:
    """The stages of dvc.yaml. Raises UserError when it is not there, or is not YAML."""
    if not PIPELINE.is_file():
        raise UserError(f"{PIPELINE}: not there; run this in the root of the repository")
    text = PIPELINE.read_text(encoding="utf-8")
    try:
        return yaml12.parse_mapping(text)["stages"]
    except yaml12.YamlError as error:
        raise UserError(unreadable_message(PIPELINE, text, f"not YAML ({error})")) from None


def of_git() -> list[str]:
    """Paths that stages write and git keeps: metrics and plots."""
    return [path for path, in_cache in _outputs() if not in_cache]


def refuse_planted() -> None:
    """Refuse what DVC makes when it is in git: DVC would take it for its own work, and not make it again.

    So would a pull request bring a model that nobody trained. Raises UserError naming the first such file.
    """
    made = [path for path, in_cache in _outputs() if in_cache]
    data = [out["path"] for pointer in dvc_data.pointers() for out in dvc_data.outputs(pointer)]
    tracked = Git(Path()).tracked(*OF_DVC, *made, *data)
    if tracked:
        path = tracked[0]
        raise UserError(
            f"{path}: is in git, but DVC makes it or fetches it, so its origin cannot be verified; refused;"
            f" `git rm --cached {path}`, and commit"
        )


def _outputs() -> Iterator[tuple[str, bool]]:
    """(path, whether DVC keeps it in its cache) of each output of each stage."""
    for stage in stages().values():
        for entry in (one for kind in ("outs", "metrics", "plots") for one in stage.get(kind, [])):
            path, settings = _entry(entry)
            yield path, settings.get("cache", True)


def _entry(entry: str | dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return (entry, {}) if isinstance(entry, str) else next((path, settings or {}) for path, settings in entry.items())

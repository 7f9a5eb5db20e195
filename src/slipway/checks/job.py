"""Command `slipway data`: run the stage `data` if a dependency of it changed, and record its verdicts."""

from __future__ import annotations

from pathlib import Path

from slipway.checks import claims
from slipway.checks.evidence_file import read_evidence
from slipway.dvc import client, command, outputs, pointers, recovery
from slipway.errors import ToolError
from slipway.files import read_json, write_json
from slipway.gates import Outcome
from slipway.gates import data as gate
from slipway.results import DATA, recorded
from slipway.settings import read_settings

STAGE = "data"


def data() -> None:
    """Check the data, and write results/data.json.

    On a pull request, files that its base accepted count as checked; claims of the pull request itself do not.
    Raises UserError when a gate does not pass, or when the stage ends without evidence.
    """
    with recorded(DATA) as result:
        settings = read_settings()  # reports an invalid file before anything is fetched
        recovery.release_paths()
        _fetch_missing()
        path = _evidence_path()
        claimed, base = claims.of_work_tree(path, STAGE), claims.of_base(path, STAGE)
        failed = _reproduce(_restore_base(path, claimed, base))
        result.evidence = read_evidence(path)
        result.verdicts = gate.verdicts(result.evidence, settings.data)
        if base is not None:
            measured = read_json(path) if path.exists() else {}
            result.verdicts.append(claims.verdict(claimed.evidence, measured, base.evidence))
        if failed and result.outcome is Outcome.PASS:
            raise ToolError(f"stage {STAGE}: ended without evidence; its output above has the reason")
    result.print_verdicts()
    result.require()


def _restore_base(path: Path, claimed: claims.Claims, base: claims.Claims | None) -> list[str]:
    """Replace claims that differ from the base by those of the base, and return the option that forces a new run."""
    if base is None or claimed == base:
        return []
    write_json(path, base.evidence)
    return ["--force"]


def _fetch_missing() -> None:
    """Pull the data that DVC tracks where a path is missing; existing files are checked as they are."""
    paths = [Path(out.path) for pointer in pointers.pointers() for out in pointers.outputs(pointer)]
    if not all(path.exists() for path in paths):
        client.pull()


def _reproduce(options: list[str]) -> bool:
    """Run the stage, which prints its findings, and return whether it failed."""
    try:
        command.run("repro", "--single-item", *options, STAGE)
    except ToolError:
        return True
    return False


def _evidence_path() -> Path:
    """Return the metrics file of the stage, as dvc.yaml names it."""
    (path,) = outputs.metrics(STAGE)
    return Path(path)

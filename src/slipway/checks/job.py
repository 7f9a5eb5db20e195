"""The verb `data`: run the stage `data` if anything that it depends on changed, and record its verdicts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from slipway import dvc, dvc_data, yaml12
from slipway.checks import claims
from slipway.errors import UserError
from slipway.files import read_json, write_json
from slipway.gates import Outcome
from slipway.gates import data as gate
from slipway.results import recorded
from slipway.settings import read_params

STAGE = "data"
QUIET = {"DVC_NO_ANALYTICS": "1"}


def data() -> None:
    """Check the data, and write results/data.json.

    On a pull request, what its base accepted counts as checked, and not what the pull request itself says.
    Raises UserError when a gate does not pass, or when the stage ends without evidence.
    """
    with recorded("data") as result:
        params = read_params()  # what is wrong with it is reported before anything is fetched
        _fetch_missing()
        path = _evidence_path()
        said, base = claims.of_work_tree(path, STAGE), claims.of_base(path, STAGE)
        code = _dvc("repro", "--single-item", *_instead(path, said, base), STAGE)
        result.evidence = read_json(path)
        result.verdicts = gate.verdicts(result.evidence, params["data"])
        if base is not None:
            result.verdicts.append(claims.verdict(said.evidence, result.evidence, base.evidence))
        if code and result.outcome is Outcome.PASS:
            raise UserError(f"stage {STAGE}: ended before it wrote its evidence; its output above says why")
    result.print_verdicts()
    result.require()


def _instead(path: Path, said: claims.Said, base: claims.Said | None) -> list[str]:
    """Where a pull request says something else than its base, put what the base said in its place, and ask again."""
    if base is None or said == base:
        return []
    write_json(path, base.evidence)
    return ["--force"]


def _fetch_missing() -> None:
    """Pull what DVC tracks when some of it is not there; what is there is checked as it is."""
    paths = [Path(out["path"]) for pointer in dvc_data.pointers() for out in dvc_data.outputs(pointer)]
    if not all(path.exists() for path in paths):
        dvc.pull()


def _dvc(*arguments: str) -> int:
    return subprocess.run(["dvc", *arguments], env=os.environ | QUIET, check=False).returncode


def _evidence_path() -> Path:
    """The metrics file of the stage; dvc.yaml is the home of paths."""
    (metrics,) = yaml12.parse(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"][STAGE]["metrics"]
    return Path(metrics if isinstance(metrics, str) else next(iter(metrics)))

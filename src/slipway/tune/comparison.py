"""Search, comparison of the best trial with the current parameters, and the change: printed or applied."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import problem
from slipway import output
from slipway.errors import MissingFileError
from slipway.files import sha256, write_json, write_text
from slipway.gates.comparison import difference
from slipway.gates.training_evidence import AllTrials, SearchedRows, SearchEvidence, SearchRange
from slipway.results import TUNE, recorded
from slipway.settings import read_settings
from slipway.tune import search, space
from slipway.tune.rows import TRAIN, TuningRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.settings import Settings

PARAMS, PREPARED, FOLDER = Path("params.yaml"), Path("build/prepared"), Path("build/tune")
EVIDENCE = Path("metrics/tune.json")
"""Evidence for the pull request with the change; committed with it."""


def tune(trials: int | None, storage: str, *, apply: bool) -> None:
    """Search within the ranges of params.yaml, and print the change to the best trial, or apply it."""
    settings = read_settings()
    tune_section = settings.tune.model_copy(update={"trials": trials or settings.tune.trials})
    settings = settings.model_copy(update={"tune": tune_section})
    if not (PREPARED / TRAIN).exists():
        raise MissingFileError(f"{PREPARED / TRAIN}: not found; run `slipway train` first")
    ranges = space.read(settings.for_problem())
    with recorded(TUNE) as result:
        best = search.search(FOLDER, _name(settings, ranges), PREPARED, settings, ranges, storage)
        output.progress("tune: comparing the best trial with the current parameters on hold-out rows")
        result.evidence = _evidence(best, settings, ranges)
    _offer(result.evidence, apply=apply)


def _name(settings: Settings, ranges: Mapping[str, space.ParameterRange]) -> str:
    """Return the name of the study: a hash of its rows, code, ranges and fixed parameters."""
    fixed = space.with_values(settings.for_problem(), dict.fromkeys(ranges))
    sections = sorted({path.split(".")[0] for path in ranges})
    tuned = settings.tune.model_dump(exclude={"trials", "processes", "lost_seconds"})
    sources = sorted(Path(problem.__file__).parent.rglob("*.py"))
    content = {
        "rows": sha256(PREPARED / TRAIN),
        "code": [sha256(file) for file in sources],
        "params": [*(fixed[name] for name in sections), settings.seed, settings.gates.primary, tuned],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _evidence(
    best: search.SearchResult, settings: Settings, ranges: Mapping[str, space.ParameterRange]
) -> SearchEvidence:
    """Return the evidence: the extent of the search, and the gain of the best trial on the hold-out rows."""
    rows, params = TuningRows.read(PREPARED, settings), settings.for_problem()
    judged = rows.judge(space.with_values(params, best.values), params)
    searched = {"searched": len(rows.target) - judged.rows, "apart": judged.rows, "folds": settings.tune.folds}
    return SearchEvidence(
        metric=judged.metric,
        trials=AllTrials(tried=best.tried, failed=best.failed, killed=best.killed, resumed=best.resumed),
        reasons=best.reasons,
        ranges={path: SearchRange(**options.model_dump(exclude_defaults=True)) for path, options in ranges.items()},
        rows=SearchedRows.model_validate(searched),
        best=best.values,
        current=space.current(params, ranges),
        value=best.value,
        judged=judged,
    )


def _offer(evidence: SearchEvidence, *, apply: bool) -> None:
    """Print the change, or apply it."""
    judged, tried, gain = evidence.judged, evidence.trials, evidence.judged.gain
    result = difference(gain)
    output.result_line(
        f"{tried.tried} trials ({tried.failed} failed, {tried.killed} killed and repeated);"
        f" {evidence.metric} of the best on {judged.rows:,} hold-out rows:"
        f" {judged.candidate.value:.4f}, current {judged.champion.value:.4f},"
        f" gain {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]: {result}"
    )
    before = PARAMS.read_text(encoding="utf-8")
    changed = {path: value for path, value in evidence.best.items() if value != evidence.current[path]}
    if not changed or result not in ("better", "within noise"):
        reasons = {"worse": "the best trial is worse there", "undefined": f"{judged.metric} is undefined there"}
        output.result_line(
            f"{PARAMS}: unchanged; {reasons[result] if changed else 'the best values are the current ones'}"
        )
        return
    after = space.rewritten(before, changed)
    output.result_line(space.diff(before, after))
    if apply:
        write_text(PARAMS, after)
        write_json(EVIDENCE, evidence.model_dump(mode="json", by_alias=True))
        output.result_line(f"{PARAMS}, {EVIDENCE}: written; run `slipway train`, commit both and open a pull request")

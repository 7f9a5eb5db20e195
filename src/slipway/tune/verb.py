"""`slipway tune`, as the command line calls it: search, judge, offer the change, and say how much was searched."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import problem
from slipway.errors import UserError
from slipway.files import sha256, write_json, write_text
from slipway.gates.comparison import difference
from slipway.results import recorded
from slipway.settings import read_params
from slipway.tune import search, space
from slipway.tune.rows import TRAIN, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMS, PREPARED, FOLDER = Path("params.yaml"), Path("build/prepared"), Path("build/tune")
KEPT = Path("metrics/tune.json")
"""What a pull request that takes the change shows: written with it, and committed with it."""


def tune(trials: int | None, *, apply: bool) -> None:
    """Search within the ranges of params.yaml, and print the change that the best trial would be, or make it."""
    params = read_params()
    params["tune"]["trials"] = trials or params["tune"]["trials"]
    if not (PREPARED / TRAIN).exists():
        raise UserError(f"{PREPARED / TRAIN}: not there; run `slipway train` first")
    ranges = space.read(params)
    with recorded("tune") as result:
        found = search.search(FOLDER, _name(params), PREPARED, params, ranges)
        print("tune: judging the best on rows that the search did not see", file=sys.stderr, flush=True)
        result.evidence = _evidence(found, params, ranges)
    _offer(result.evidence, apply=apply)


def _name(params: Mapping[str, Any]) -> str:
    """Of the study: the same as long as its trials are of the same rows, code, ranges and other parameters."""
    searched = space.current(params, space.read(params))
    fixed, sections = (
        space.with_values(params, dict.fromkeys(searched)),
        sorted({path.split(".")[0] for path in searched}),
    )
    tuned = {key: value for key, value in params["tune"].items() if key not in {"trials", "processes"}}
    sources = sorted(Path(problem.__file__).parent.rglob("*.py"))
    made_of = {
        "rows": sha256(PREPARED / TRAIN),
        "code": [sha256(file) for file in sources],
        "params": [*(fixed[name] for name in sections), params["seed"], params["gates"]["primary"], tuned],
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def _evidence(found: search.Found, params: Mapping[str, Any], ranges: Mapping[str, space.Range]) -> dict[str, Any]:
    """How much was searched, and what it gained on rows that the search did not see."""
    rows, now = Rows.read(PREPARED, params), space.current(params, ranges)
    judged = rows.judge(space.with_values(params, found.values), params)
    return {
        "metric": judged.metric,
        "trials": {name: getattr(found, name) for name in ("tried", "failed", "killed", "resumed")},
        "reasons": found.reasons,
        "ranges": {path: one.model_dump(exclude_defaults=True) for path, one in ranges.items()},
        "rows": {"searched": len(rows.target) - judged.rows, "apart": judged.rows, "folds": params["tune"]["folds"]},
        "best": found.values,
        "current": now,
        "value": found.value,
        "judged": asdict(judged),
    }


def _offer(evidence: Mapping[str, Any], *, apply: bool) -> None:
    """Print the change, or make it."""
    judged, tried = evidence["judged"], evidence["trials"]
    gain, found = judged["gain"], difference(judged["gain"])
    print(
        f"{tried['tried']} tried ({tried['failed']} failed, {tried['killed']} killed and done again);"
        f" {evidence['metric']} of the best on {judged['rows']:,} rows that the search did not see:"
        f" {judged['candidate']['value']:.4f}, now {judged['champion']['value']:.4f},"
        f" gain {gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]: {found}"
    )
    before = PARAMS.read_text(encoding="utf-8")
    changed = {path: value for path, value in evidence["best"].items() if value != evidence["current"][path]}
    if not changed or found not in ("better", "within noise"):
        why = {"worse": "it is worse there", "undefined": f"{judged['metric']} is undefined there"}
        print(f"{PARAMS}: unchanged; {why[found] if changed else 'the best values are the current ones'}")
        return
    after = space.rewritten(before, changed)
    print(space.diff(before, after))
    if apply:
        write_text(PARAMS, after)
        write_json(KEPT, evidence)
        print(f"{PARAMS}, {KEPT}: written; `slipway train`, commit both and open a pull request: the test rows decide")

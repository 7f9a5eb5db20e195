"""The gates of the data: evidence of `slipway.checks.data` in, verdicts out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTRACT = "data contract"
SUITES = "data suites"
SHOWN = 3  # blockers named in a verdict's reason; all are in the evidence


@dataclass(frozen=True)
class Blocker:
    """One reason for which data is blocked. `check` is the gate, or the name of the suite's check."""

    check: str
    file: str
    column: str
    kind: str
    text: str


def verdicts(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> list[Verdict]:
    """One verdict for the row contract and one for the suites. `limits` is the section `data` of params.yaml.

    Evidence that is missing or unreadable fails both.
    """
    try:
        rows = sum(record["rows"] for record in evidence["files"])
        broken, failed = contract_blockers(evidence, limits), suite_blockers(evidence, limits)
        ran = len(evidence["suites"].get("checks", []))
        conditions = f"{len(failed)} of {ran} conditions broken" if ran else "did not run"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"no evidence ({type(error).__name__}: {error})"
        return [Verdict(gate, Outcome.FAIL, "evidence", "none", reason) for gate in (CONTRACT, SUITES)]
    scope = f"{rows:,} rows of {len(evidence['files'])} files"
    return [
        _verdict(CONTRACT, "every row within the contract", f"{len(broken)} rules broken, {scope}", broken),
        _verdict(SUITES, "every check ran, every condition holds", conditions, failed),
    ]


def _verdict(gate: str, threshold: str, observed: str, found: Sequence[Blocker]) -> Verdict:
    reason = "; ".join(f"{blocker.file}: {blocker.text}" if blocker.file else blocker.text for blocker in found[:SHOWN])
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return Verdict(gate, Outcome.FAIL if found else Outcome.PASS, threshold, observed, reason + more)


def blockers(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> list[Blocker]:
    """Everything that blocks, the contract's first."""
    return contract_blockers(evidence, limits) + suite_blockers(evidence, limits)


def contract_blockers(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> list[Blocker]:
    """Broken rules of every file, and of the files among one another."""
    found = [blocker for record in evidence["files"] for blocker in _of_file(record, limits["contract"])]
    return found + _between_files(evidence["files"], limits["contract"])


def _of_file(record: Mapping[str, Any], limits: Mapping[str, Any]) -> list[Blocker]:
    file, rows = record["file"], record["rows"]
    found = [Blocker(CONTRACT, file, each["column"], each["kind"], _finding(each)) for each in record["findings"]]
    for kind, limit in (("unlabelled", limits["unlabeled_ratio"]), ("duplicates", limits["duplicate_ratio"])):
        share = record[kind] / rows if rows else 0.0
        if not share <= limit:
            text = f"{kind}: {share:.1%} of rows, at most {limit:.1%} may be"
            found.append(Blocker(CONTRACT, file, "", kind, text))
    return found


def _finding(finding: Mapping[str, Any]) -> str:
    rule = ": ".join(part for part in (finding["column"], finding["kind"], finding["rule"]) if part)
    examples = "".join(f", row {example['row']}: {example['value']}" for example in finding["examples"])
    return f"{rule} ({finding['count']:,} rows{examples})"


def _between_files(records: Sequence[Mapping[str, Any]], limits: Mapping[str, Any]) -> list[Blocker]:
    """Files whose clocks differ, whose periods overlap, or that lie far from the others in time."""
    timed = sorted((record for record in records if "first" in record), key=lambda record: record["first"])
    found = []
    for before, after in pairwise(timed):
        later = max(before["file"], after["file"])
        distance = datetime.fromisoformat(after["first"]) - datetime.fromisoformat(before["last"])
        pair = f"{before['file']} and {after['file']}"
        broken = {
            "clock": (before["clock"] != after["clock"], f"times are {before['clock']} and {after['clock']}"),
            "overlap": (-distance > timedelta(days=limits["overlap_days"]), f"periods overlap by {_days(-distance)}"),
            "gap": (distance > timedelta(days=limits["gap_days"]), f"{_days(distance)} lie between them"),
        }
        texts = {kind: f"{kind}: {pair}: {text}" for kind, (is_broken, text) in broken.items() if is_broken}
        found += [Blocker(CONTRACT, later, "", kind, text) for kind, text in texts.items()]
    return found


def _days(distance: timedelta) -> str:
    return f"{distance / timedelta(days=1):,.1f} days"


def suite_blockers(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> list[Blocker]:
    """Broken conditions, and checks that did not run unless `may_not_run` of params.yaml has them with a reason."""
    suites, file = evidence["suites"], ", ".join(evidence["new"])
    if not suites:
        return [_not_run("suites not run, because the data breaks its contract")]
    if "error" in suites:
        return [_not_run(suites["error"])]
    if not suites["checks"]:
        return [_not_run("the suite has no check")]
    allowed = limits["suites"].get("may_not_run") or {}
    blocking = [check for check in suites["checks"] if not _may_pass(check, allowed)]
    return [Blocker(check["check"], file, "", check["outcome"], _condition(check)) for check in blocking]


def _not_run(text: str) -> Blocker:
    return Blocker(SUITES, "", "", "not run", text)


def _may_pass(check: Mapping[str, str], allowed: Mapping[str, str]) -> bool:
    return check["outcome"] == "pass" or (check["outcome"] == "not run" and bool(allowed.get(check["check"])))


def _condition(check: Mapping[str, str]) -> str:
    rule = f"not: {check['condition']}" if check["outcome"] == "fail" else "did not run"
    return f"{check['check']}: {rule}: {check['observed']}"

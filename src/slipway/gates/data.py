"""Gates on the data, judged on the evidence of `slipway.checks.data`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from slipway import figures
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.gates.data_evidence import BrokenRule, CheckOutcome, DataEvidence, FileRecord
    from slipway.settings.data_checks import ContractSection, DataSection, SuitesSection

CONTRACT = "data contract"
SUITES = "data suites"
NAMED_BLOCKERS_MAX = 3  # in a verdict's reason; the evidence holds all


@dataclass(frozen=True)
class Blocker:
    """One reason to block data. `check` is the gate, or the name of a check in the suite."""

    check: str
    file: str
    column: str
    kind: str
    text: str


def verdicts(evidence: DataEvidence | None, limits: DataSection) -> list[Verdict]:
    """Return the verdict on the row contract and the one on the suites. Missing evidence fails both."""
    if evidence is None or not evidence.files:
        reason = "no evidence: the stage ended early, or its file has another form"
        return [Verdict(gate, Outcome.FAIL, "evidence", "none", reason) for gate in (CONTRACT, SUITES)]
    broken, failed = contract_blockers(evidence, limits.contract), suite_blockers(evidence, limits.suites)
    count = len(evidence.suites.checks) if evidence.suites else 0
    conditions = f"{len(failed)} of {count} conditions violated" if count else "did not run"
    rows = sum(record.rows for record in evidence.files)
    scope = f"{figures.count(rows, 'row')} in {figures.count(len(evidence.files), 'file')}"
    violated = f"{figures.count(len(broken), 'rule')} violated, {scope}"
    return [
        _verdict(CONTRACT, "every row meets the contract", violated, broken),
        _verdict(SUITES, "every check runs, every condition holds", conditions, failed),
    ]


def _verdict(gate: str, threshold: str, observed: str, blocking: Sequence[Blocker]) -> Verdict:
    named = [
        f"{blocker.file}: {blocker.text}" if blocker.file else blocker.text for blocker in blocking[:NAMED_BLOCKERS_MAX]
    ]
    if len(blocking) > len(named):
        named.append(f"and {len(blocking) - len(named)} more")
    return Verdict(gate, Outcome.FAIL if blocking else Outcome.PASS, threshold, observed, "; ".join(named))


def blockers(evidence: DataEvidence, limits: DataSection) -> list[Blocker]:
    """Return everything that blocks the data: violations of the contract, then those of the suites."""
    return contract_blockers(evidence, limits.contract) + suite_blockers(evidence, limits.suites)


def are_comparable(evidence: DataEvidence, limits: ContractSection) -> bool:
    """Return whether the suites can run: nothing but repeated rows, which are valid ones, violates the contract.

    Their cause may be a finding of the suites, as a label with a single value makes rows equal.
    """
    return all(blocker.kind == "duplicates" for blocker in contract_blockers(evidence, limits))


def contract_blockers(evidence: DataEvidence, limits: ContractSection) -> list[Blocker]:
    """Return the contract's violations within each file and between files."""
    within = [blocker for record in evidence.files for blocker in _of_file(record, limits)]
    return within + _between_files(evidence.files, limits)


def _of_file(record: FileRecord, limits: ContractSection) -> list[Blocker]:
    blockers = [
        Blocker(CONTRACT, record.file, finding.column, finding.kind, _finding_text(finding))
        for finding in record.findings
    ]
    counts = {
        "unlabelled": (record.unlabelled, limits.unlabeled_ratio),
        "duplicates": (record.duplicates, limits.duplicate_ratio),
    }
    for kind, (count, limit) in counts.items():
        ratio = (math.nan if count is None else count / record.rows) if record.rows else 0.0
        if not ratio <= limit:  # NaN blocks
            text = f"{kind}: {ratio:.1%} of rows, at most {limit:.1%} allowed"
            blockers.append(Blocker(CONTRACT, record.file, "", kind, text))
    return blockers


def _finding_text(finding: BrokenRule) -> str:
    rule = ": ".join(part for part in (finding.column, finding.kind, finding.rule) if part)
    examples = "".join(f", row {example.row}: {example.value}" for example in finding.examples)
    return f"{rule} ({figures.count(finding.count, 'row')}{examples})"


def _between_files(records: Sequence[FileRecord], limits: ContractSection) -> list[Blocker]:
    """Return consecutive files whose time zones differ, whose periods overlap, or that have a gap between them."""
    periods = [(record, record.first, record.last) for record in records if record.first and record.last]
    periods.sort(key=lambda period: period[1])
    blockers = []
    for (before, _, end), (after, start, _) in pairwise(periods):
        later, distance = max(before.file, after.file), start - end
        pair = f"{before.file} and {after.file}"
        broken = {
            "clock": (before.clock != after.clock, f"times are {before.clock} and {after.clock}"),
            "overlap": (-distance > timedelta(days=limits.overlap_days), f"periods overlap by {_days(-distance)}"),
            "gap": (distance > timedelta(days=limits.gap_days), f"{_days(distance)} lie between them"),
        }
        for kind, (is_broken, text) in broken.items():
            if is_broken:
                blockers.append(Blocker(CONTRACT, later, "", kind, f"{kind}: {pair}: {text}"))
    return blockers


def _days(distance: timedelta) -> str:
    return f"{distance / timedelta(days=1):,.1f} days"


def suite_blockers(evidence: DataEvidence, limits: SuitesSection) -> list[Blocker]:
    """Return violated conditions, and checks that did not run without a reason in `may_not_run` of `params.yaml`.

    Those with the strongest findings come first.
    """
    suites, file = evidence.suites, ", ".join(evidence.new)
    if suites is None:
        return [_not_run("suites not run, because the data violates its contract")]
    if suites.error is not None:
        return [_not_run(suites.error)]
    if not suites.checks:
        return [_not_run("the suite has no check")]
    allowed = limits.may_not_run or {}
    strongest = list(dict.fromkeys(finding.check for finding in suites.findings or ()))
    blocking = [check for check in suites.checks if not _may_pass(check, allowed)]
    blocking.sort(key=lambda check: strongest.index(check.check) if check.check in strongest else len(strongest))
    return [Blocker(check.check, file, "", check.outcome, _condition(check)) for check in blocking]


def _not_run(text: str) -> Blocker:
    return Blocker(SUITES, "", "", "not run", text)


def _may_pass(check: CheckOutcome, allowed: Mapping[str, str]) -> bool:
    return check.outcome == "pass" or (check.outcome == "not run" and bool(allowed.get(check.check)))


def _condition(check: CheckOutcome) -> str:
    rule = f"not: {check.condition}" if check.outcome == "fail" else "did not run"
    return f"{check.check}: {rule}: {check.observed}"

"""The line of the report that states what the author of the pull request does now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.gates import Outcome
from slipway.gates.comparison import NOT_COMPARABLE, NOT_COMPARED
from slipway.report import judgment
from slipway.report.document import Code, Link, Strong, paragraph
from slipway.report.evidence import JOBS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.report.document import Block, Inline
    from slipway.report.evidence import ReportEvidence
    from slipway.report.judgment import Judged

MERGE = (
    "merge. ",
    Code("deploy.yaml"),
    " then builds the release, and promotes it to staging and through a canary to production.",
)
FAILED: dict[str, tuple[Inline, ...]] = {
    "data": ("correct the rows, or the contract in ", Code("src/problem"), " if it is wrong, and push."),
    "model": ("change the model or its parameters, and push.",),
    "code": ("correct the code, and push.",),
    "workflows": ("correct the file that the job's log names, and push.",),
}
"""What to do about a gate that failed, by group."""
WITHOUT_COMPARISON: dict[str, tuple[Inline, ...]] = {
    NOT_COMPARED: ("ask a maintainer to push the branch to this repository, whose runs can fetch production.",),
    NOT_COMPARABLE: (
        "return what the model in production reads from ",
        Code("load"),
        ", or decide in ",
        Code("gates.uncompared_releases"),
        " not to compare, and push.",
    ),
}
"""What to do about a comparison that is not possible, by what its gates observe."""
INCONCLUSIVE = ("the evidence does not suffice; add rows or make a larger change, and push.",)
NO_RESULT = ("see in the job's log what stopped it, repair that, and run it again.",)


def next_step(evidence: ReportEvidence, logs: Mapping[str, str]) -> Block:
    """Return the line, with the log of the job that blocks if there is one. logs: addresses by job."""
    blocking = judgment.causes(judgment.judged(evidence))
    parts: list[Inline] = [Strong("Next"), ": ", *(_blocked(blocking, evidence) if blocking else _unblocked(evidence))]
    if blocking and (log := logs.get(blocking[0].job)):
        parts += [" ", Link(f"Log of {blocking[0].job}", log)]
    return paragraph(*parts)


def _blocked(gates: Sequence[Judged], evidence: ReportEvidence) -> tuple[Inline, ...]:
    """Return what to do about the first of `gates`, or the commands whose results are missing outside of a workflow."""
    gate = gates[0]
    if not (gate.did_run or evidence.statuses):
        jobs = [*(missing.job for missing in gates), "report"]
        return ("run ", Code(" && ".join(f"slipway {job}" for job in jobs)), ".")
    if not gate.did_run or gate.verdict.observed == judgment.CRASHED:
        return NO_RESULT
    if gate.verdict.outcome is Outcome.INCONCLUSIVE:
        return WITHOUT_COMPARISON.get(gate.verdict.observed, INCONCLUSIVE)
    return FAILED[gate.group]


def _unblocked(evidence: ReportEvidence) -> tuple[Inline, ...]:
    if unfinished := judgment.running(evidence):
        return (f"wait for {', '.join(unfinished)}; this report is updated when they end.",)
    elsewhere = [job for job in JOBS if job not in judgment.expected(evidence)]
    if elsewhere:
        return (f"see the comment on the pull request, which also reports {', '.join(elsewhere)}.",)
    return MERGE

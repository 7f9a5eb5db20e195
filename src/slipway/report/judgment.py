"""What the gates of all jobs decide: the verdicts by urgency, the report's first line, and the section on the gates."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway import figures
from slipway.evaluation.segments import ALL
from slipway.gates import Outcome, Verdict, overall
from slipway.gates.comparison import primary
from slipway.report.comparison import signed, with_ends
from slipway.report.document import Code, Details, Strong, Table, paragraph
from slipway.report.evidence import JOBS, RUNNING
from slipway.results import DOCUMENTATION_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.report.document import Block, Inline
    from slipway.report.evidence import ReportEvidence

NOT_RUN = "did not run"
OUTDATED = "result of other files"
OUTCOME_LABELS = {Outcome.PASS: "✅ pass", Outcome.FAIL: "❌ fail", Outcome.INCONCLUSIVE: "⚠️ inconclusive"}
MEASURED = ("train", "compare")
"""Jobs whose gates observe a number, which the first line shows; the others have a reason instead."""
GROUPS = {"data": "data", "train": "model", "compare": "model", "test": "code", "lint": "code"}
GROUP_NAMES = tuple(dict.fromkeys([*GROUPS.values(), "workflows"]))
WORKFLOW_GATES = frozenset({"zizmor", "actionlint", "workflow schema", "action schema", "dependabot schema"})
"""Linters of GitHub's files, which form a group of their own."""
NEXT_STEPS: dict[str, tuple[Inline, ...]] = {
    "data": ("correct the rows, or the contract in ", Code("src/problem"), " if it is wrong, and push."),
    "model": ("change the model or its parameters, and push.",),
    "code": ("correct the code, and push.",),
    "workflows": ("correct the file that the job's log names, and push.",),
}
"""What to do about a gate that failed, by group."""
HEADLINE_CHARACTERS_MAX = 120
DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Judged:
    """A verdict and the job that reached it."""

    job: str
    verdict: Verdict

    @property
    def did_run(self) -> bool:
        """Whether the gate was judged; a job that did not run is usually the consequence of another."""
        return not self.verdict.observed.startswith(NOT_RUN)

    @property
    def group(self) -> str:
        """The group in which gates that pass are counted."""
        return "workflows" if self.verdict.gate in WORKFLOW_GATES else GROUPS[self.job]

    @property
    def headline(self) -> str:
        """The gate, and the number or the reason that decides."""
        verdict = self.verdict
        is_number = self.job in MEASURED and bool(DIGIT.search(verdict.observed))
        reason = verdict.observed if is_number else verdict.reason or verdict.observed
        return figures.shorten(f"{verdict.gate}: {' '.join(reason.split())}", HEADLINE_CHARACTERS_MAX)


def judged(evidence: ReportEvidence) -> list[Judged]:
    """Return the verdicts of all jobs, by urgency: failed, inconclusive, not run, passed.

    A job that wrote no result, or crashed before its gates, counts as a failed gate. A running job has none.
    """
    gates = (Judged(job, verdict) for job in expected(evidence) for verdict in _of_job(job, evidence))
    return sorted(gates, key=_urgency)


def verdicts(evidence: ReportEvidence) -> list[Verdict]:
    """Return the verdicts of `judged`."""
    return [gate.verdict for gate in judged(evidence)]


def causes(gates: list[Judged]) -> list[Judged]:
    """Return the gates that block. One that did not run is among them only if no other blocks."""
    blocking = [gate for gate in gates if gate.verdict.outcome is not Outcome.PASS]
    return [gate for gate in blocking if gate.did_run] or blocking


def expected(evidence: ReportEvidence) -> list[str]:
    """Return the jobs of which the report expects a result: those of the workflow, or all outside of one."""
    statuses = evidence.statuses
    own = {*evidence.results.jobs, *statuses, *(["compare"] if "train" in statuses else [])}  # steps of one job
    return [job for job in JOBS if not statuses or job in own]


def running(evidence: ReportEvidence) -> list[str]:
    """Return the jobs whose result is still to come."""
    return [job for job in JOBS if job not in evidence.results.jobs and evidence.statuses.get(job) == RUNNING]


def may_still_pass(evidence: ReportEvidence) -> bool:
    """Return whether every gate has passed so far, and a job is running."""
    passed = all(verdict.outcome is Outcome.PASS for verdict in verdicts(evidence))
    return passed and bool(running(evidence))


def _urgency(gate: Judged) -> int:
    if not gate.did_run:
        return 2
    return [Outcome.FAIL, Outcome.INCONCLUSIVE, None, Outcome.PASS].index(gate.verdict.outcome)


def _of_job(job: str, evidence: ReportEvidence) -> Iterator[Verdict]:
    result = evidence.results.of(job)
    if job in running(evidence):
        return
    if result is None:
        status = OUTDATED if job in evidence.outdated else _status(job, evidence)
        reason = evidence.outdated.get(job, "an earlier job failed, or the run was stopped")
        yield Verdict(job, Outcome.FAIL, "completes", f"{NOT_RUN} ({status})", reason)
        return
    yield from result.verdicts
    if result.error and Outcome.FAIL not in {verdict.outcome for verdict in result.verdicts}:
        yield Verdict(job, Outcome.FAIL, "completes", "crashed", result.error)


def _status(job: str, evidence: ReportEvidence) -> str:
    """Return GitHub's status of a job; `compare` is a step of the job `train`."""
    statuses = evidence.statuses
    return statuses.get(job) or (job == "compare" and statuses.get("train")) or "no result"


def outcome(evidence: ReportEvidence) -> Outcome:
    """Return the overall outcome of all gates; it is inconclusive while a job is running and no gate has failed."""
    return Outcome.INCONCLUSIVE if may_still_pass(evidence) else overall(verdicts(evidence))


def title(evidence: ReportEvidence) -> str:
    """Return the report's first line: the overall verdict, and the number or the root cause that decides.

    A job that did not run is named only if no gate blocks, because it is the consequence of another.
    """
    gates = judged(evidence)
    if may_still_pass(evidence):
        return f"⏳ Still running: {', '.join(running(evidence))}; {figures.count(len(gates), 'gate')} passed so far"
    outcome = overall(gate.verdict for gate in gates)
    if outcome is Outcome.PASS:
        return f"✅ Ready to merge: {_gain(evidence)}"
    blocking = causes(gates)
    if blocking[0].did_run:
        named, more = blocking[0].headline, len(blocking) - 1
    else:
        named, more = ", ".join(gate.verdict.gate for gate in blocking[:3]), len(blocking) - 3
    words = {Outcome.FAIL: "❌ Blocked", Outcome.INCONCLUSIVE: "⚠️ Not proven"}
    return f"{words[outcome]}: {named}{f'; {more} more' if more > 0 else ''}"


def _gain(evidence: ReportEvidence) -> str:
    """Return what the candidate gains over production, or why there is no such number."""
    compared = evidence.compared
    if compared is None or not evidence.comparisons:
        gates = judged(evidence)
        subject = "documentation only, " if any(gate.verdict.observed == DOCUMENTATION_ONLY for gate in gates) else ""
        return f"{subject}all {len(gates)} gates pass"
    champion = compared.champion
    if champion is not None and compared.production:
        gain = primary(compared.production[ALL], evidence.primary).gain
        return f"{evidence.primary} {signed(gain)} against {champion.version}"
    measured = f"{evidence.primary} {with_ends(primary(evidence.comparisons, evidence.primary).candidate)}"
    if champion is None:
        return f"{measured}, no release in production yet"
    is_accepted = champion.decision is not None and champion.decision.is_in_force
    return f"{measured}, {'by a decision not to compare with' if is_accepted else 'not compared with'} production"


def reasons(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield what each blocking gate observed and requires, and why it blocks.

    Jobs that did not run because of it are collapsed.
    """
    gates = judged(evidence)
    blocking = causes(gates)
    for gate in blocking:
        verdict = gate.verdict
        required = f"; required: {verdict.threshold}" if gate.did_run and verdict.threshold else ""
        reason = f". {verdict.reason}" if verdict.reason else ""
        label = "⚠️ " if verdict.outcome is Outcome.INCONCLUSIVE else "❌ "
        yield paragraph(label, Strong(verdict.gate), f": {verdict.observed}{required}{reason}")
    if blocking:
        yield paragraph(Strong("Next"), ": ", *_next_step(blocking[0]))
    if idle := [gate for gate in gates if not gate.did_run and gate not in blocking]:
        names = ", ".join(gate.verdict.gate for gate in idle)
        rows: list[tuple[Inline, ...]] = [
            (verdict.gate, verdict.observed, verdict.reason) for verdict in (gate.verdict for gate in idle)
        ]
        yield Details(f"Not run: {names}", (Table(("Gate", "Status", "Reason"), rows),))


def _next_step(gate: Judged) -> tuple[Inline, ...]:
    """Return what the author of the pull request does about the first gate that blocks."""
    if not gate.did_run:
        return ("see why the job did not run, repair that, and run it again.",)
    if gate.verdict.outcome is Outcome.INCONCLUSIVE:
        return ("the evidence does not suffice; add rows or make a larger change, and push.",)
    return NEXT_STEPS[gate.group]


def passed(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield the gates that pass, collapsed under their number by group."""
    gates = judged(evidence)
    passing = [gate for gate in gates if gate.verdict.outcome is Outcome.PASS]
    if passing:
        counts = Counter(gate.group for gate in passing)
        groups = ", ".join(f"{group} {counts[group]}" for group in GROUP_NAMES if counts[group])
        yield Details(f"✅ {len(passing)} of {len(gates)} gates pass: {groups}", (_table(passing),))


def _table(gates: list[Judged]) -> Table:
    cells: list[tuple[Inline, ...]] = [
        (Strong(verdict.gate), OUTCOME_LABELS[verdict.outcome], verdict.observed, verdict.threshold)
        for verdict in (gate.verdict for gate in gates)
    ]
    return Table(("Gate", "Outcome", "Observed", "Threshold"), cells)

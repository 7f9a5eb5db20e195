"""What the gates of all jobs decide: the verdicts by urgency, the report's title, and the sections on the gates."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway import figures
from slipway.evaluation.segments import ALL
from slipway.gates import Outcome, Verdict, overall
from slipway.gates.comparison import ACCEPTED, NO_RELEASE, primary
from slipway.report.comparison import signed, with_ends
from slipway.report.document import Details, Link, Strong, Table, paragraph
from slipway.report.evidence import JOBS, RUNNING
from slipway.results import DOCUMENTATION_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.report.document import Block, Inline
    from slipway.report.evidence import ReportEvidence

NOT_RUN, CRASHED = "did not run", "crashed"
OUTDATED = "result of other files"
OUTCOME_LABELS = {Outcome.PASS: "✅ pass", Outcome.FAIL: "❌ fail", Outcome.INCONCLUSIVE: "⚠️ inconclusive"}
UNTESTED = (NO_RELEASE, ACCEPTED, DOCUMENTATION_ONLY)
"""Starts of what a gate observes that passes because there is nothing to test."""
UNTESTED_LABEL = "⚪ not tested"
NEEDED = {"train": "data", "compare": "train"}
"""The job that must succeed before another starts, in pull-request.yaml."""
MEASURED = ("train", "compare")
"""Jobs whose gates observe a number, which the first line shows; the others have a reason instead."""
GROUPS = {"data": "data", "train": "model", "compare": "model", "test": "code", "lint": "code"}
GROUP_NAMES = tuple(dict.fromkeys([*GROUPS.values(), "workflows"]))
WORKFLOW_GATES = frozenset({"zizmor", "actionlint", "workflow schema", "action schema", "dependabot schema"})
"""Linters of GitHub's files, which form a group of their own."""
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
    def is_tested(self) -> bool:
        """Whether the gate tested something; one that passes for want of a release to compare with did not."""
        return self.verdict.outcome is not Outcome.PASS or not self.verdict.observed.startswith(UNTESTED)

    @property
    def decides(self) -> str:
        """The number or the reason for the first line; empty if it would be too long for it."""
        observed, reason = _in_a_line(self.verdict.observed), _in_a_line(self.verdict.reason)
        is_number = self.job in MEASURED and DIGIT.search(observed)
        options = (observed,) if is_number or not reason else (reason, observed)
        longest = HEADLINE_CHARACTERS_MAX - len(self.verdict.gate)
        return next((text for text in options if len(text) <= longest), "")

    @property
    def headline(self) -> str:
        """The gate, and what decides."""
        return f"{self.verdict.gate}: {self.decides}" if self.decides else self.verdict.gate


def _in_a_line(text: str) -> str:
    return " ".join(text.split())


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
        yield Verdict(job, Outcome.FAIL, "completes", f"{NOT_RUN} ({status})", _why_not_run(job, evidence))
        return
    yield from result.verdicts
    if result.error and Outcome.FAIL not in {verdict.outcome for verdict in result.verdicts}:
        yield Verdict(job, Outcome.FAIL, "completes", CRASHED, result.error)


def _why_not_run(job: str, evidence: ReportEvidence) -> str:
    if job in evidence.outdated:
        return evidence.outdated[job]
    if not evidence.statuses:
        return f"there is no result; run `slipway {job}`"
    before = _failed_before(job, evidence)
    return f"the job {before} did not succeed" if before else "the job ended before it wrote a result"


def _failed_before(job: str, evidence: ReportEvidence) -> str | None:
    """Return the first job without a success among those that `job` needs."""
    if (needed := NEEDED.get(job)) is None:
        return None
    result = evidence.results.of(needed)
    succeeded = result is not None and result.outcome is Outcome.PASS
    return _failed_before(needed, evidence) or (None if succeeded else needed)


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
        return (
            f"⏳ Still running: {', '.join(running(evidence))}; {figures.count(_tested(gates), 'gate')} passed so far"
        )
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
        tested = _tested(gates)
        if any(gate.verdict.observed == DOCUMENTATION_ONLY for gate in gates):
            return f"documentation only, {tested} gates pass, {len(gates) - tested} not tested"
        return f"all {len(gates)} gates pass"
    champion = compared.champion
    if champion is not None and compared.production:
        gain = primary(compared.production[ALL], evidence.primary).gain
        return f"{evidence.primary} {signed(gain)} against {champion.version}"
    measured = f"{evidence.primary} {with_ends(primary(evidence.comparisons, evidence.primary).candidate)}"
    if champion is None:
        return f"{measured}, {NO_RELEASE}"
    is_accepted = champion.decision is not None and champion.decision.is_in_force
    return f"{measured}, {'by a decision not to compare with' if is_accepted else 'not compared with'} production"


def _tested(gates: Sequence[Judged]) -> int:
    return sum(gate.is_tested for gate in gates)


def not_compared(evidence: ReportEvidence) -> Block:
    """Return the line on a candidate that was not compared with production: the gates that tested nothing, and why."""
    untested: dict[str, list[str]] = {}
    for gate in judged(evidence):
        if not gate.is_tested:
            untested.setdefault(gate.verdict.observed, []).append(gate.verdict.gate)
    if untested:
        text = "; ".join(f"{', '.join(names)} ({observed})" for observed, names in untested.items())
        text = f"not tested by the gates {text}"
    elif "compare" not in expected(evidence) or "compare" in running(evidence):
        text = "not compared yet"
    else:
        before = None if evidence.results.compare or not evidence.statuses else _failed_before("compare", evidence)
        text = f"unknown, because {f'the job {before} did not succeed' if before else 'there is no comparison'}"
    return paragraph(Strong("Worse than production"), f": {text}.")


def reasons(evidence: ReportEvidence, logs: Mapping[str, str]) -> Iterator[Block]:
    """Yield what each blocking gate observed and requires, and why it blocks, without what the first line states.

    Jobs that did not run because of it are collapsed. logs: addresses of the logs by job.
    """
    gates = judged(evidence)
    blocking = causes(gates)
    for position, gate in enumerate(blocking):
        yield _cause(gate, gate.decides if gate.did_run and position == 0 else "")
    if idle := [gate for gate in gates if not gate.did_run and gate not in blocking]:
        names = ", ".join(gate.verdict.gate for gate in idle)
        rows: list[tuple[Inline, ...]] = [
            (gate.verdict.gate, gate.verdict.observed, _linked(gate, evidence, logs)) for gate in idle
        ]
        yield Details(f"Not run: {names}", (Table(("Gate", "Status", "Reason"), rows),))


def _cause(gate: Judged, stated: str) -> Block:
    """Return what a gate observed and requires, and why it blocks, except for what is `stated` already."""
    verdict = gate.verdict
    observed, reason = ("" if _in_a_line(text) == stated else text for text in (verdict.observed, verdict.reason))
    required = f"required: {verdict.threshold}" if gate.did_run and verdict.threshold else ""
    text = ". ".join(filter(None, ("; ".join(filter(None, (observed, required))), reason)))
    label = "⚠️ " if verdict.outcome is Outcome.INCONCLUSIVE else "❌ "
    return paragraph(label, Strong(verdict.gate), *([f": {text}"] if text else []))


def _linked(gate: Judged, evidence: ReportEvidence, logs: Mapping[str, str]) -> Inline:
    """Return why a gate did not run, as a link to the log of the job that failed before it where there is one."""
    log = logs.get(_failed_before(gate.job, evidence) or "")
    return Link(gate.verdict.reason, log) if log else gate.verdict.reason


def passed(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield the gates that pass, collapsed under their number by group. Those that tested nothing are counted apart."""
    gates = judged(evidence)
    passing = [gate for gate in gates if gate.verdict.outcome is Outcome.PASS]
    if not passing:
        return
    tested = [gate for gate in passing if gate.is_tested]
    counts = Counter(gate.group for gate in tested)
    groups = ", ".join(f"{group} {counts[group]}" for group in GROUP_NAMES if counts[group])
    summary = f"✅ {len(tested)} of {len(gates)} gates pass{f': {groups}' if groups else ''}"
    untested = len(passing) - len(tested)
    yield Details(f"{summary}; {untested} not tested" if untested else summary, (_table(passing),))


def _table(gates: list[Judged]) -> Table:
    cells: list[tuple[Inline, ...]] = [
        (
            Strong(gate.verdict.gate),
            OUTCOME_LABELS[gate.verdict.outcome] if gate.is_tested else UNTESTED_LABEL,
            gate.verdict.observed,
            gate.verdict.threshold,
        )
        for gate in gates
    ]
    return Table(("Gate", "Outcome", "Observed", "Threshold"), cells)

"""What became of a merge: whether it is in production, what failed on the way, and what production runs now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slipway.gates import Outcome, Verdict, overall
from slipway.report.content import WORDS
from slipway.report.document import Code, Commands, Details, Heading, Link, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.report.document import Block, Document
    from slipway.results import JobResult

STAGES = {
    "build": ("train", "compare", "build", "publish"),
    "staging": ("verify", "promote", "smoke", "loadtest"),
    "production": ("verify", "promote", "smoke"),
}
"""Results that each job of deploy.yaml must leave, in the order in which they come. It may leave more."""

DONE = "success"
NOT_RUN = "did not run"
NO_RESULT = "a step failed that leaves no result; see the log"
REASONS = {
    "cancelled": "a newer run took its place in the queue of this job, or it was cancelled by hand",
}
"""Why a job that leaves no reason itself ended as it did, by its status."""
LINES = 12  # of gates that passed, shown without unfolding


@dataclass(frozen=True)
class Deployment:
    """All that the report is written from."""

    commit: str
    release: str | None
    """Version that was built; None when it did not come so far."""
    production: str | None
    """Version that production should run, now that all is over; None when there is none."""
    statuses: Mapping[str, str]
    """How each job ended, in GitHub's words: success, failure, cancelled, skipped."""
    results: Mapping[str, Mapping[str, JobResult]]
    """What each job left, by stage and by the name of the result."""
    run: str | None = None
    """Address of the workflow run."""
    notes: tuple[str, ...] = field(default_factory=tuple)
    """What else a reader should know."""

    @property
    def waits(self) -> bool:
        """Whether production was left for a person to start: all before it passed, and it was skipped."""
        before = [verdict for stage, verdict in gates(self) if stage != "production"]
        return self.statuses.get("production") == "skipped" and all(one.outcome is Outcome.PASS for one in before)


def gates(deployment: Deployment) -> list[tuple[str, Verdict]]:
    """Every gate of every stage, in order. A stage that ended badly and does not say why is a failed gate itself."""
    return [(stage, verdict) for stage in STAGES for verdict in _of_stage(stage, deployment)]


def _of_stage(stage: str, deployment: Deployment) -> Iterator[Verdict]:
    status, left = deployment.statuses.get(stage, "unknown"), deployment.results.get(stage, {})
    found = [verdict for job in _jobs(stage, left) for verdict in _of_job(job, left.get(job))]
    silent = all(verdict.outcome is Outcome.PASS for verdict in found)
    if status == "skipped":
        found.append(Verdict(stage, Outcome.INCONCLUSIVE, "runs to its end", NOT_RUN, ""))
    elif status != DONE and silent:
        found.append(Verdict(stage, Outcome.FAIL, "runs to its end", status, REASONS.get(status, NO_RESULT)))
    yield from found


def _jobs(stage: str, left: Mapping[str, JobResult]) -> list[str]:
    """What the stage must leave as far as it came, and what else it left."""
    expected = STAGES[stage]
    reached = max((position for position, job in enumerate(expected) if job in left), default=-1) + 1
    return [*expected[:reached], *(job for job in left if job not in expected)]


def _of_job(job: str, result: JobResult | None) -> Iterator[Verdict]:
    if result is None:
        yield Verdict(job, Outcome.FAIL, "runs to its end", "left no result", "")
        return
    yield from (Verdict(f"{job}: {one.gate}", *_rest(one)) for one in result.verdicts)
    if result.error and Outcome.FAIL not in {one.outcome for one in result.verdicts}:
        yield Verdict(job, Outcome.FAIL, "runs to its end", "failed", result.error)


def _rest(verdict: Verdict) -> tuple[Outcome, str, str, str]:
    return verdict.outcome, verdict.threshold, verdict.observed, verdict.reason


def outcome(deployment: Deployment) -> Outcome:
    """Of all gates; inconclusive where production was left for a person to start."""
    found = overall([verdict for _, verdict in gates(deployment)])
    return Outcome.FAIL if found is Outcome.INCONCLUSIVE and not deployment.waits else found


def title(deployment: Deployment) -> str:
    """The first line: where the release is, or what stopped it."""
    release = deployment.release or "nothing"
    if outcome(deployment) is Outcome.PASS:
        return f"✅ Deployed: production runs {release}"
    if deployment.waits:
        return f"⏸ Staged: {release} passed; production waits for somebody to run this workflow by hand"
    named = [f"{stage}: {verdict.gate}" for stage, verdict in stopping(deployment)]
    verdict = "Deployed, and failed" if release == deployment.production else "Not deployed"
    return f"❌ {verdict}: {', '.join(named[:2])}{' and more' if len(named) > 2 else ''}"


def stopping(deployment: Deployment) -> list[tuple[str, Verdict]]:
    """The gates that stopped it. That a job did not run is no reason, but comes of one."""
    found = gates(deployment)
    stopped = [(stage, one) for stage, one in found if one.outcome is not Outcome.PASS and one.observed != NOT_RUN]
    return stopped or [(stage, one) for stage, one in found if one.outcome is not Outcome.PASS]


def write(deployment: Deployment) -> Document:
    """The whole report."""
    return [Heading(title(deployment), 1), *_facts(deployment), *_gates(deployment), *_further(deployment)]


def _facts(deployment: Deployment) -> Iterator[Block]:
    for stage, verdict in [] if deployment.waits else stopping(deployment):
        reason = f". {verdict.reason}" if verdict.reason else ""
        yield paragraph(Strong(f"{stage}: {verdict.gate}"), f": {verdict.observed}", reason)
    runs, built = deployment.production or "nothing", deployment.release or "none"
    untouched = "" if runs == built else "; this deployment did not change that"
    yield paragraph("Production should run ", Strong(runs), untouched, ".")
    rows = [("Release", Code(built)), ("Commit", Code(deployment.commit))]
    yield Table(("", ""), [*rows, *((f"Job {stage}", deployment.statuses.get(stage, "unknown")) for stage in STAGES)])
    yield from (paragraph(note) for note in deployment.notes)


def _gates(deployment: Deployment) -> Iterator[Block]:
    rows = [
        (stage, Strong(verdict.gate), WORDS[verdict.outcome], verdict.observed, verdict.threshold)
        for stage, verdict in gates(deployment)
    ]
    table = Table(("Job", "Gate", "Outcome", "Observed", "Threshold"), rows)
    yield table if len(rows) <= LINES else Details(f"All {len(rows)} gates", (table,))


def _further(deployment: Deployment) -> Iterator[Block]:
    back = "slipway rollback --environment production"
    yield Details("Go back to the release before", (Commands((back,)), paragraph("Or run the workflow rollback.")))
    if deployment.run:
        yield paragraph(Link("The run, with its logs and artifacts", deployment.run))

"""Report of a deployment: the release in production after a merge, and the gates that stopped it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from slipway.gates import Outcome, Verdict, overall
from slipway.report.document import Code, Commands, Details, Heading, Link, Strong, Table, paragraph
from slipway.report.judgment import OUTCOME_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.report.document import Block, Document
    from slipway.results import JobResult

STAGES = {
    "build": ("train", "compare", "build", "publish"),
    "image": ("image", "push"),
    "staging": ("verify", "promote", "smoke", "loadtest"),
    "production": ("verify", "promote", "smoke"),
}
"""Results that each job of deploy.yaml must write, in order. A job may write more."""

DONE = "success"
NOT_RUN = "did not run"
NO_RESULT = "a step failed that leaves no result; see the log"
REASONS = {
    "cancelled": "a newer run took its place in the queue of this job, or it was cancelled by hand",
}
"""Reason for a job's status where its results give none."""
EXPANDED_ROWS_MAX = 12  # of the gates' table; a longer table is collapsed


@dataclass(frozen=True)
class Deployment:
    """All inputs of the report."""

    commit: str
    release: str | None
    """Version that was built; None if the build failed."""
    production: str | None
    """Desired release of production after the run; None if there is none."""
    statuses: Mapping[str, str]
    """Status of each job as GitHub reports it: success, failure, cancelled or skipped."""
    results: Mapping[str, Mapping[str, JobResult]]
    """Results by stage and job."""
    run: str | None = None
    """URL of the workflow run."""
    notes: tuple[str, ...] = field(default_factory=tuple)
    """Further remarks, one paragraph each."""

    @property
    def waits(self) -> bool:
        """Return whether production awaits a manual start: it was skipped, and every gate before it passed."""
        before = [verdict for stage, verdict in gates(self) if stage != "production"]
        passed = all(verdict.outcome is Outcome.PASS for verdict in before)
        return self.statuses.get("production") == "skipped" and passed


def gates(deployment: Deployment) -> list[tuple[str, Verdict]]:
    """Return (stage, verdict) of every gate, in order. A failed stage without a failed gate counts as a failed gate."""
    return [(stage, verdict) for stage in STAGES for verdict in _of_stage(stage, deployment)]


def _of_stage(stage: str, deployment: Deployment) -> Iterator[Verdict]:
    status, results = deployment.statuses.get(stage, "unknown"), deployment.results.get(stage, {})
    verdicts = [verdict for job in _jobs(stage, results) for verdict in _of_job(job, results.get(job))]
    yield from verdicts
    if status == "skipped":
        yield Verdict(stage, Outcome.INCONCLUSIVE, "completes", NOT_RUN, "")
    elif status != DONE and all(verdict.outcome is Outcome.PASS for verdict in verdicts):
        yield Verdict(stage, Outcome.FAIL, "completes", status, REASONS.get(status, NO_RESULT))


def _jobs(stage: str, results: Mapping[str, JobResult]) -> list[str]:
    """Return the jobs that the stage must have run up to its last result, and any additional ones."""
    expected = STAGES[stage]
    reached = max((position for position, job in enumerate(expected) if job in results), default=-1) + 1
    return [*expected[:reached], *(job for job in results if job not in expected)]


def _of_job(job: str, result: JobResult | None) -> Iterator[Verdict]:
    if result is None:
        yield Verdict(job, Outcome.FAIL, "completes", "wrote no result", "")
        return
    yield from (replace(verdict, gate=f"{job}: {verdict.gate}") for verdict in result.verdicts)
    if result.error and Outcome.FAIL not in {verdict.outcome for verdict in result.verdicts}:
        yield Verdict(job, Outcome.FAIL, "completes", "failed", result.error)


def outcome(deployment: Deployment) -> Outcome:
    """Return the outcome of all gates; inconclusive only where production awaits a manual start."""
    combined = overall([verdict for _, verdict in gates(deployment)])
    return Outcome.FAIL if combined is Outcome.INCONCLUSIVE and not deployment.waits else combined


def title(deployment: Deployment) -> str:
    """Return the first line: the environment that the release reached, or the gates that stopped it."""
    release = deployment.release or "nothing"
    if outcome(deployment) is Outcome.PASS:
        return f"✅ Deployed: production runs {release}"
    if deployment.waits:
        return f"⏸ Staged: {release} passed; run this workflow by hand to deploy it to production"
    named = [f"{stage}: {verdict.gate}" for stage, verdict in stopping(deployment)]
    verdict = "Deployed, and failed" if release == deployment.production else "Not deployed"
    return f"❌ {verdict}: {', '.join(named[:2])}{' and more' if len(named) > 2 else ''}"


def stopping(deployment: Deployment) -> list[tuple[str, Verdict]]:
    """Return the gates that stopped the deployment. A job that did not run is a consequence, listed if nothing else."""
    not_passed = [(stage, verdict) for stage, verdict in gates(deployment) if verdict.outcome is not Outcome.PASS]
    return [(stage, verdict) for stage, verdict in not_passed if verdict.observed != NOT_RUN] or not_passed


def write(deployment: Deployment) -> Document:
    """Return the complete report."""
    return [Heading(title(deployment), 1), *_facts(deployment), *_gates(deployment), *_further(deployment)]


def _facts(deployment: Deployment) -> Iterator[Block]:
    for stage, verdict in [] if deployment.waits else stopping(deployment):
        reason = f". {verdict.reason}" if verdict.reason else ""
        yield paragraph(Strong(f"{stage}: {verdict.gate}"), f": {verdict.observed}", reason)
    desired, built = deployment.production or "nothing", deployment.release or "none"
    unchanged = "" if desired == built else "; this deployment did not change that"
    yield paragraph("Production should run ", Strong(desired), unchanged, ".")
    rows = [("Release", Code(built)), ("Commit", Code(deployment.commit))]
    yield Table(("", ""), [*rows, *((f"Job {stage}", deployment.statuses.get(stage, "unknown")) for stage in STAGES)])
    yield from (paragraph(note) for note in deployment.notes)


def _gates(deployment: Deployment) -> Iterator[Block]:
    rows = [
        (stage, Strong(verdict.gate), OUTCOME_LABELS[verdict.outcome], verdict.observed, verdict.threshold)
        for stage, verdict in gates(deployment)
    ]
    table = Table(("Job", "Gate", "Outcome", "Observed", "Threshold"), rows)
    yield table if len(rows) <= EXPANDED_ROWS_MAX else Details(f"All {len(rows)} gates", (table,))


def _further(deployment: Deployment) -> Iterator[Block]:
    command = Commands(("slipway rollback --environment production",))
    yield Details("Roll back to the previous release", (command, paragraph("Or run the workflow rollback.")))
    if deployment.run:
        yield paragraph(Link("Workflow run with logs and artifacts", deployment.run))

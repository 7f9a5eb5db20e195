"""Content of the report on a pull request: verdict, reasons, evidence, and commands that reproduce it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from slipway.figures import count
from slipway.gates.comparison import difference
from slipway.report import explanation, judgment, next_step, pictures
from slipway.report.comparison import DIFFERENCE_LABELS, all_segments, segments, signed, table, with_ends, worse
from slipway.report.document import Code, Commands, Details, Heading, Link, Strong, Table, paragraph
from slipway.report.judgment import OUTCOME_LABELS, OUTDATED
from slipway.report.model_card import card
from slipway.schema.contract import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.gates.training_evidence import ReportedSearch, SearchRange
    from slipway.git.changes import Changes
    from slipway.report.document import Block, Document, Inline
    from slipway.report.evidence import ReportEvidence

LISTED_FILES_MAX = 50
TUNE_METRICS = "metrics/tune.json"
"""File that a pull request changes when a search selected its parameters."""


def write(evidence: ReportEvidence, logs: Mapping[str, str] = MappingProxyType({})) -> Document:
    """Return the complete report. logs: addresses of the logs by job, where GitHub has them."""
    return [
        Heading(judgment.title(evidence), 1),
        *_summary(evidence, logs),
        *judgment.passed(evidence),
        *table(evidence),
        *segments(evidence),
        *pictures.section(evidence),
        *explanation.section(evidence),
        *_changes(evidence),
        *_details(evidence, logs),
    ]


def _summary(evidence: ReportEvidence, logs: Mapping[str, str]) -> Iterator[Block]:
    """Yield what to do and what got worse, each in a line below the title, and what blocks."""
    yield next_step.next_step(evidence, logs)
    yield from [*worse(evidence)] or [judgment.not_compared(evidence)]
    if (unfinished := judgment.running(evidence)) and not judgment.may_still_pass(evidence):
        yield paragraph(f"Still running: {', '.join(unfinished)}. This report is updated when they end.")
    yield from judgment.reasons(evidence, logs)
    yield from _decision(evidence)
    yield from _contract(evidence)


def _decision(evidence: ReportEvidence) -> Iterator[Block]:
    """Show who decided not to compare with production, why and until when."""
    champion = evidence.compared.champion if evidence.compared else None
    if champion is None or champion.decision is None:
        return
    decision = champion.decision
    until = f"{'until' if decision.is_in_force else 'expired on'} {decision.until}"
    yield paragraph(
        Strong(f"Decision not to compare with {champion.version}"),
        f" by {decision.by}, {until}: {decision.reason}. No comparison is possible: {champion.error}.",
    )


def _contract(evidence: ReportEvidence) -> Iterator[Block]:
    """Name what clients of production must change."""
    compared = evidence.compared
    if compared is None or compared.champion is None or not compared.contract_changes:
        return
    yield paragraph(
        Strong("Breaking change"),
        f" since {compared.champion.version}: {sentence(compared.contract_changes)}.",
    )


def _changes(evidence: ReportEvidence) -> Iterator[Block]:
    changes = evidence.changes
    yield Heading("What changes")
    yield from (paragraph(f"Not compared: {problem}.") for problem in changes.problems)
    if changes.base is None:
        yield paragraph("The base commit of this pull request is unknown, so its changes cannot be listed.")
        return
    data = {**changes.data, **_rows(evidence)}
    rows: list[tuple[Inline, ...]] = [
        (kind, Code(name), Code(_cell_text(before)), Code(_cell_text(after)))
        for kind, pairs in (("parameter", changes.parameters), ("data", data))
        for name, (before, after) in pairs.items()
    ]
    if rows:
        yield Table(("", "Name", "Before", "After"), rows)
    if not changes.parameters and not changes.problems:
        yield paragraph("No parameter changes.")
    if TUNE_METRICS in changes.files and evidence.trained.metrics.tune:
        yield from _search(evidence.trained.metrics.tune)
    if not data and not changes.problems:
        yield paragraph("No data changes.")
    yield _files(changes)


def _files(changes: Changes) -> Block:
    """List every path that differs. A renamed file is listed under both paths, so that no deletion is missed."""
    former = {before: path for path, before in changes.renamed.items()}
    rows: list[tuple[Inline, ...]] = []
    for path in changes.files[:LISTED_FILES_MAX]:
        other = former.get(path) or changes.renamed.get(path, "")
        direction = ("to" if path in former else "from") if other else ""
        rows.append((Code(path), f"{changes.kinds.get(path, '')} {direction}".strip(), Code(other) if other else ""))
    summary = f"Changed files since {str(changes.base)[:8]} ({len(changes.files)})"
    return Details(summary, (Table(("File", "Change", "Other path"), rows),))


def _search(search: ReportedSearch) -> Iterator[Block]:
    """Report the size of the search, since the best of many trials is partly luck, and its result on held-out rows."""
    trials, rows, judged = search.trials, search.rows, search.judged
    tried = f"{trials.tried} trials ({trials.failed} failed, {trials.killed} killed and repeated)"
    yield paragraph(
        f"A search selected the parameters: {tried} on {rows.searched:,} training rows in {rows.folds} folds."
        f" On {rows.hold_out:,} hold-out rows, {search.metric} is {with_ends(judged.candidate)},"
        f" and {with_ends(judged.champion)} with the previous parameters: ",
        Strong(DIFFERENCE_LABELS[difference(judged.gain)]),
        f", {signed(judged.gain)}.",
    )
    cells: list[tuple[Inline, ...]] = [
        (Code(path), _range(limits), _cell_text(search.current.get(path)), _cell_text(search.best.get(path)))
        for path, limits in search.ranges.items()
    ]
    yield Details("Search space", (Table(("Parameter", "Range", "Before", "Selected"), cells),))


def _range(limits: SearchRange) -> str:
    if limits.choices:
        return ", ".join(map(str, limits.choices))
    return f"{limits.low} to {limits.high}{', log scale' if limits.log else ''}"


def _rows(evidence: ReportEvidence) -> dict[str, tuple[Any, Any]]:
    """Return the row counts that differ from those of the base, as (before, after)."""
    after = evidence.trained.metrics.prepare.rows
    pairs = {f"{name} rows": (evidence.changes.base_rows.get(name), count) for name, count in after.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _details(evidence: ReportEvidence, logs: Mapping[str, str]) -> Iterator[Block]:
    yield Details(
        "Reproduce",
        (
            Commands(
                (
                    "git fetch origin",
                    f"git checkout {evidence.changes.head or 'COMMIT'}",
                    "uv run slipway pull",
                    *(f"uv run slipway {job}" for job in judgment.expected(evidence)),
                    "uv run slipway report",
                )
            ),
        ),
    )
    if stale := evidence.trained.stale:
        yield paragraph(
            "dvc.lock is out of date for the stages ",
            Code(", ".join(stale)),
            "; update it with ",
            Code("uv run dvc repro && git commit -m 'Update dvc.lock' dvc.lock metrics"),
            ".",
        )
    if resumed := evidence.trained.resumed:
        yield paragraph(f"The training was interrupted, and continued from its checkpoint {count(resumed, 'time')}.")
    if evidence.comparisons or evidence.trained.metrics.prepare.rows:
        yield Details("Model card", tuple(card(evidence)))
    yield Details("Jobs", (_jobs(evidence, logs),))
    yield from all_segments(evidence)


def _jobs(evidence: ReportEvidence, logs: Mapping[str, str]) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for job in judgment.expected(evidence):
        result = evidence.results.of(job)
        seconds = f"{result.seconds:.1f}" if result else ""
        absent = f"❌ {OUTDATED if job in evidence.outdated else 'no result'}"
        missing = "⏳ running" if job in judgment.running(evidence) else absent
        name = Link(job, logs[job]) if job in logs else job
        rows.append((name, OUTCOME_LABELS[result.outcome] if result else missing, seconds))
    return Table(("Job", "Outcome", "Seconds"), rows, frozenset({2}))


def _cell_text(value: Any) -> str:
    return "—" if value is None else str(value)

"""Content of the report on a pull request: verdict, reasons, evidence, and commands that reproduce it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from slipway import figures
from slipway.evaluation import metrics
from slipway.evaluation.segments import ALL
from slipway.gates import Outcome, Verdict, overall
from slipway.gates.comparison import CALIBRATION, decisive, difference, primary
from slipway.gates.comparison_evidence import ReportedComparison
from slipway.gates.training_evidence import ReportedTraining
from slipway.git.changes import Changes
from slipway.report.document import Chart, Code, Commands, Details, Heading, Series, Strong, Table, paragraph
from slipway.results import JobResult
from slipway.schema.bounds import GROUPS_MAX, ITEMS_MAX, Bounds, Evidence, Maybe, Name, Text, max_items
from slipway.schema.contract import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.evaluation.compared import Comparison, Interval
    from slipway.gates.training_evidence import ReportedSearch, SearchRange
    from slipway.report.document import Block, Document, Inline

NOT_RUN = "did not run"
OUTDATED = "result of other files"
RUNNING = "running"
"""Status of a job whose run has not ended, so that its result is still to come."""

OUTCOME_LABELS = {Outcome.PASS: "✅ pass", Outcome.FAIL: "❌ fail", Outcome.INCONCLUSIVE: "⚠️ inconclusive"}
DIFFERENCE_LABELS = {
    "better": "▲ better",
    "worse": "▼ worse",
    "within noise": "≈ within noise",
    "undefined": "? undefined",
}
SET_LABELS = {"train": "Training data", "test": "Test data", "unlabelled": "Rows without a label"}
LISTED_SEGMENTS_MAX = 5
LISTED_FILES_MAX = 50
TUNE_METRICS = "metrics/tune.json"
"""File that a pull request changes when a search selected its parameters."""
BAR_CHARACTERS_MAX = 20
IMPORTANCE_MIN = 1e-12  # avoids a division by zero where no column matters


class Column(BaseModel):
    """A column of `Row` with its description and unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    description: Text
    unit: Name


class Card(BaseModel):
    """The model card's text: what its author states about the model and its inputs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: Text
    """Purpose, data and limits of the model; an empty line separates paragraphs."""
    target: Name
    columns: Annotated[list[Column], max_items(GROUPS_MAX)]


class JobResults(BaseModel):
    """The result of each job of a pull request, the most informative first; a missing one is a failure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: JobResult[Maybe[Evidence]] | None = None
    train: JobResult[Maybe[ReportedTraining]] | None = None
    compare: JobResult[Maybe[ReportedComparison]] | None = None
    test: JobResult[Maybe[Evidence]] | None = None
    lint: JobResult[Maybe[Evidence]] | None = None

    @model_serializer(mode="wrap")
    def _without_missing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {job: result for job, result in serialize(self).items() if result is not None}

    @property
    def jobs(self) -> list[str]:
        """The jobs that wrote a result."""
        return [job for job in JOBS if self.of(job)]

    def of(self, job: str) -> JobResult[Any] | None:
        """Return the result of `job`, if any."""
        result: JobResult[Any] | None = getattr(self, job)
        return result


JOBS = tuple(JobResults.model_fields)
"""Jobs of a pull request that must write a result."""


class ReportEvidence(BaseModel):
    """All inputs of the report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    results: JobResults
    changes: Changes
    task: Literal["binary", "multiclass", "regression"]
    primary: Name
    card: Card
    statuses: Annotated[dict[Name, Name], max_items(ITEMS_MAX)]
    """Status of each job as GitHub reports it; empty outside of a workflow."""
    outdated: Annotated[dict[Name, Text], max_items(ITEMS_MAX), Field(exclude_if=lambda reasons: not reasons)] = {}
    """Why a result does not count, by job: it was made from other files."""

    @model_validator(mode="after")
    def _metrics_are_of_the_task(self, info: ValidationInfo) -> ReportEvidence:
        """Require that untrusted comparisons have only metrics of the task, each once, among them the primary one."""
        if info.context is not Bounds.REJECT:
            return self
        allowed = metrics.for_task(self.task)
        if self.primary not in allowed:
            raise ValueError("the task does not have the primary metric")
        for comparison in self.compared.comparisons() if self.compared else []:
            names = [row.metric for row in comparison]
            if len(set(names)) < len(names) or self.primary not in names or not allowed.keys() >= set(names):
                raise ValueError("a comparison lacks the primary metric, or has one that the task does not have")
        return self

    @property
    def compared(self) -> ReportedComparison | None:
        """The evidence of `compare`; None where it measured nothing."""
        return self.results.compare.evidence if self.results.compare else None

    @property
    def trained(self) -> ReportedTraining:
        """The evidence of `train`; empty where it measured nothing."""
        return (self.results.train and self.results.train.evidence) or ReportedTraining()

    @property
    def comparisons(self) -> list[Comparison]:
        """The comparisons with one baseline on all rows, for the candidate's metrics; empty where there are none."""
        baselines = self.compared.baselines.values() if self.compared else ()
        return next((groups[ALL] for groups in baselines), [])

    @property
    def production(self) -> Mapping[str, list[Comparison]]:
        """The comparisons with production by group; empty where there are none."""
        return self.compared.production if self.compared else {}


def verdicts(evidence: ReportEvidence) -> list[Verdict]:
    """Return the verdicts of all jobs, by urgency: failed, inconclusive, not run, passed.

    A job that wrote no result, or crashed before its gates, counts as a failed gate. A running job has none.
    """
    return sorted((verdict for job in expected(evidence) for verdict in _of_job(job, evidence)), key=_urgency)


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


def _urgency(verdict: Verdict) -> int:
    if verdict.observed.startswith(NOT_RUN):
        return 2
    return [Outcome.FAIL, Outcome.INCONCLUSIVE, None, Outcome.PASS].index(verdict.outcome)


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
    """Return the report's first line: the overall verdict and the gates that block.

    A job that did not run is named only if no gate blocks, because it is the consequence of another.
    """
    judged = verdicts(evidence)
    if may_still_pass(evidence):
        return f"⏳ Still running: {', '.join(running(evidence))}; {len(judged)} gates pass so far"
    blockers = [verdict for verdict in judged if verdict.outcome is not Outcome.PASS]
    causes = [verdict for verdict in blockers if not verdict.observed.startswith(NOT_RUN)]
    blocking = [verdict.gate for verdict in causes or blockers]
    named = ", ".join(blocking[:3]) + (f" and {len(blocking) - 3} more" if len(blocking) > 3 else "")
    return {
        Outcome.PASS: f"✅ Ready to merge: all {len(judged)} gates pass{_without_comparison(evidence)}",
        Outcome.FAIL: f"❌ Blocked: {named}",
        Outcome.INCONCLUSIVE: f"⚠️ Not proven: {named}",
    }[overall(judged)]


def _without_comparison(evidence: ReportEvidence) -> str:
    champion = evidence.compared.champion if evidence.compared else None
    is_accepted = champion is not None and champion.decision is not None and champion.decision.is_in_force
    return ", by a decision not to compare with production" if is_accepted else ""


def write(evidence: ReportEvidence) -> Document:
    """Return the complete report."""
    return [
        Heading(title(evidence), 1),
        *_summary(evidence),
        Heading("Gates"),
        _gates(verdicts(evidence)),
        *_metrics(evidence),
        *_segments(evidence),
        *_charts(evidence),
        *_changes(evidence),
        *_details(evidence),
    ]


def _summary(evidence: ReportEvidence) -> Iterator[Block]:
    if unfinished := running(evidence):
        yield paragraph(f"Still running: {', '.join(unfinished)}. This report is updated when they end.")
    for verdict in verdicts(evidence):
        if verdict.outcome is not Outcome.PASS:
            yield paragraph(
                Strong(verdict.gate), f": {verdict.observed}", f". {verdict.reason}" if verdict.reason else ""
            )
    yield from _decision(evidence)
    yield from _contract(evidence)
    if evidence.compared is None or not evidence.comparisons:
        return
    compared = evidence.compared
    parts: list[Inline] = [
        f"{evidence.primary} ",
        Strong(_interval(primary(evidence.comparisons, evidence.primary).candidate)),
        f" on {compared.rows:,} test rows",
    ]
    released = compared.champion.version if compared.champion else None
    if compared.production:
        gain = primary(compared.production[ALL], evidence.primary).gain
        parts.append(f"; compared with production {released}: ")
        parts += [Strong(DIFFERENCE_LABELS[difference(gain)]), f", {_signed(gain)}."]
    else:
        parts.append(
            f"; not compared with production {released}." if released else "; no release is in production yet."
        )
    yield paragraph(*parts)


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


def _gates(judged: Sequence[Verdict]) -> Table:
    cells = [
        (Strong(verdict.gate), OUTCOME_LABELS[verdict.outcome], verdict.observed, verdict.threshold)
        for verdict in judged
    ]
    return Table(("Gate", "Outcome", "Observed", "Threshold"), cells)


def _metrics(evidence: ReportEvidence) -> Iterator[Block]:
    if evidence.compared is None or not evidence.comparisons:
        return
    yield Heading("Metrics")
    staging = evidence.compared.staging
    sides = [evidence.production.get(ALL, []), staging.all if staging else []]
    rows = [_metric_row(row, evidence, sides) for row in evidence.comparisons]
    header = ("Metric", "Candidate", "Production", "Gain", "", "Staging", "Gain", "")
    yield Table(header, rows, frozenset({1, 2, 3, 5, 6}))
    yield paragraph(
        "All models are scored on the same test rows. Brackets hold the bootstrap percentile interval at the confidence"
        " of params.yaml. A positive gain means that the candidate is better."
    )


def _metric_row(row: Comparison, evidence: ReportEvidence, sides: Sequence[Sequence[Comparison]]) -> tuple[Inline, ...]:
    metric = metrics.for_task(evidence.task)[row.metric]
    name = f"{metric.name} {'↑' if metric.higher_is_better else '↓'}{f' ({metric.unit})' if metric.unit else ''}"
    cells: list[Inline] = [Strong(name) if metric.name == evidence.primary else name, _interval(row.candidate)]
    for side in sides:
        other = primary(side, metric.name) if side else None
        cells += [_interval(other.champion), *_gain_cells(other.gain)] if other else ["none", "", ""]
    return tuple(cells)


def _gain_cells(gain: Interval) -> tuple[str, str]:
    return _signed(gain), DIFFERENCE_LABELS[difference(gain)]


def _segment_rows(evidence: ReportEvidence) -> dict[str, Comparison]:
    """Return the deciding comparison of each segment with the release in production."""
    return {name: decisive(rows, evidence.primary) for name, rows in evidence.production.items() if name != ALL}


def _segments(evidence: ReportEvidence) -> Iterator[Block]:
    rows = _segment_rows(evidence)
    changed = {name: row for name, row in rows.items() if difference(row.gain) in ("better", "worse")}
    if not rows:
        return
    yield Heading("Segments that moved")
    if not changed:
        yield paragraph(
            f"None of {len(rows)}: every difference is within noise, at a confidence corrected for their number."
        )
        return
    largest = sorted(changed, key=lambda name: -abs(changed[name].gain.value))[:LISTED_SEGMENTS_MAX]
    yield _segment_table({name: changed[name] for name in largest}, evidence.primary)
    if len(changed) > LISTED_SEGMENTS_MAX:
        yield paragraph(f"{len(changed) - LISTED_SEGMENTS_MAX} more are listed under “All segments”.")


def _segment_table(rows: Mapping[str, Comparison], metric: str) -> Table:
    cells = [
        (
            Code(name),
            f"{row.rows:,}",
            f"{'' if row.metric == metric else row.metric + ' '}{_interval(row.candidate)}",
            *_gain_cells(row.gain),
        )
        for name, row in rows.items()
    ]
    return Table(("Segment", "Rows", metric, "Gain", ""), cells, frozenset({1, 2, 3}))


def _charts(evidence: ReportEvidence) -> Iterator[Block]:
    loss = [point for point in evidence.trained.loss if math.isfinite(point.loss)]
    curves = [
        Series(side, [(point.iteration, point.loss) for point in loss if point.rows == side])
        for side in ("train", "test")
    ]
    if all(curve.points for curve in curves):
        yield Chart("Training loss", "iteration", "loss", curves)
    measured = evidence.compared.calibration if evidence.compared else []
    deciles = [decile for decile in measured if math.isfinite(decile.predicted + decile.observed)]
    if deciles:
        points = [(rank, decile.predicted, decile.observed) for rank, decile in enumerate(deciles, start=1)]
        yield Chart(
            "Calibration",
            "decile of the predictions on the test rows",
            "mean per decile",
            [Series("predicted", [(x, y) for x, y, _ in points]), Series("observed", [(x, y) for x, _, y in points])],
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
        f" On {rows.hold_out:,} hold-out rows, {search.metric} is {_interval(judged.candidate)},"
        f" and {_interval(judged.champion)} with the previous parameters: ",
        Strong(DIFFERENCE_LABELS[difference(judged.gain)]),
        f", {_signed(judged.gain)}.",
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


def _details(evidence: ReportEvidence) -> Iterator[Block]:
    yield Details(
        "Reproduce",
        (
            Commands(
                (
                    "git fetch origin",
                    f"git checkout {evidence.changes.head or 'COMMIT'}",
                    "uv run slipway train",
                    "uv run slipway compare",
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
    yield Details("Model card", tuple(_card(evidence)))
    yield Details("Jobs", (_jobs(evidence),))
    if rows := _segment_rows(evidence):
        yield Details(f"All segments ({len(rows)})", (_segment_table(rows, evidence.primary),))


def _card(evidence: ReportEvidence) -> Iterator[Block]:
    """Describe the model and its data: purpose, training data, quality, limits and inputs."""
    yield from (paragraph(text) for text in evidence.card.purpose.split("\n\n"))
    yield Table(("", ""), [*_card_data(evidence), *_card_quality(evidence)])
    yield paragraph(
        Strong("Validity"),
        ": the quality above was measured on the test data; another period or population can give different results."
        " The service rejects a request with an input outside of its range or closed list.",
    )
    yield _card_inputs(evidence)


def _card_data(evidence: ReportEvidence) -> Iterator[tuple[Inline, ...]]:
    card, prepared = evidence.card, evidence.trained.metrics.prepare
    yield "Target", Code(card.target)
    yield "Task", evidence.task
    yield "Inputs", f"{len(card.columns)}, listed below"
    for name, count in prepared.rows.items():
        period = " to ".join(end[:16] for end in prepared.period.get(name, []))
        yield SET_LABELS.get(name, f"Rows, {name}"), f"{count:,} rows{f', {period} UTC' if period else ''}"


def _card_quality(evidence: ReportEvidence) -> Iterator[tuple[Inline, ...]]:
    """Yield metrics on the test rows, those of the weakest segment, and the calibration."""
    for row in evidence.comparisons:
        yield f"Quality, {row.metric}", _interval(row.candidate)
    if weakest := _weakest_segment(evidence):
        name, row = weakest
        yield "Quality, weakest segment", f"{name}: {evidence.primary} {_interval(row.candidate)}, {row.rows:,} rows"
    if evidence.comparisons and evidence.results.compare:
        judged = evidence.results.compare.verdicts
        yield from (("Calibration", verdict.observed) for verdict in judged if verdict.gate == CALIBRATION)


def _weakest_segment(evidence: ReportEvidence) -> tuple[str, Comparison] | None:
    """Return the segment whose interval is worst at its favorable end, so that noise in a small one does not decide."""
    if not evidence.comparisons:
        return None
    higher_is_better = metrics.for_task(evidence.task)[evidence.primary].higher_is_better
    rows = {name: primary(rows, evidence.primary) for name, rows in evidence.production.items() if name != ALL}
    ends = {name: row.candidate.high if higher_is_better else row.candidate.low for name, row in rows.items()}
    defined = [name for name, end in ends.items() if math.isfinite(end)]
    if not defined:
        return None
    name = (min if higher_is_better else max)(defined, key=ends.__getitem__)
    return name, rows[name]


def _card_inputs(evidence: ReportEvidence) -> Table:
    measured = evidence.trained.metrics.importance
    importance = {name: score for name, score in measured.items() if math.isfinite(score)}
    largest = max([*importance.values(), IMPORTANCE_MIN])
    columns = sorted(evidence.card.columns, key=lambda column: -importance.get(column.name, 0.0))
    rows: list[tuple[Inline, ...]] = [
        (Code(column.name), column.description, column.unit, _bar(importance.get(column.name, 0.0) / largest))
        for column in columns
    ]
    return Table(("Input", "Meaning", "Unit", f"Permutation importance ({evidence.primary})"), rows)


def _bar(fraction: float) -> str:
    return "█" * round(max(fraction, 0.0) * BAR_CHARACTERS_MAX) or "·"


def _jobs(evidence: ReportEvidence) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for job in expected(evidence):
        result = evidence.results.of(job)
        seconds = f"{result.seconds:.1f}" if result else ""
        absent = f"❌ {OUTDATED if job in evidence.outdated else 'no result'}"
        missing = "⏳ running" if job in running(evidence) else absent
        rows.append((job, OUTCOME_LABELS[result.outcome] if result else missing, seconds))
    return Table(("Job", "Outcome", "Seconds"), rows, frozenset({2}))


def _interval(interval: Interval) -> str:
    return _with_ends(interval, "")


def _signed(gain: Interval) -> str:
    return _with_ends(gain, "+")


def _with_ends(interval: Interval, sign: str) -> str:
    """Return `value [low, high]`, or the value alone where the interval is undefined."""
    value, *ends = figures.as_text(*interval.ends, sign=sign)
    return value if "undefined" in (value, *ends) else f"{value} [{', '.join(ends)}]"


def _cell_text(value: Any) -> str:
    return "—" if value is None else str(value)

"""Content of the report on a pull request: verdict, reasons, evidence, and commands that reproduce it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from slipway import figures
from slipway.evaluation import metrics
from slipway.evaluation.segments import ALL
from slipway.gates import Outcome, Verdict, overall
from slipway.gates.comparison import CALIBRATION, decisive, difference, primary
from slipway.git.changes import Changes
from slipway.report.document import Chart, Code, Commands, Details, Heading, Series, Strong, Table, paragraph
from slipway.results import JobResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.report.document import Block, Document, Inline

JOBS = ("data", "train", "compare", "test", "lint")
"""Jobs of a pull request that must write a result, the most informative first. A missing result is a failure."""

NOT_RUN = "did not run"
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

    name: str
    description: str
    unit: str


class Card(BaseModel):
    """The model card's text: what its author states about the model and its inputs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: str
    """Purpose, data and limits of the model; an empty line separates paragraphs."""
    target: str
    columns: list[Column]


class ReportEvidence(BaseModel):
    """All inputs of the report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    results: dict[str, JobResult]
    changes: Changes
    task: Literal["binary", "multiclass", "regression"]
    primary: str
    card: Card
    statuses: dict[str, str]
    """Status of each job as GitHub reports it; empty outside of a workflow."""

    def of(self, job: str) -> Mapping[str, Any]:
        """Return the evidence of `job`; empty when it wrote no result."""
        return self.results[job].evidence if job in self.results else {}


def verdicts(evidence: ReportEvidence) -> list[Verdict]:
    """Return the verdicts of all jobs, by urgency: failed, inconclusive, not run, passed.

    A job that wrote no result, or crashed before its gates, counts as a failed gate. A running job has none.
    """
    return sorted((verdict for job in expected(evidence) for verdict in _of_job(job, evidence)), key=_urgency)


def expected(evidence: ReportEvidence) -> list[str]:
    """Return the jobs of which the report expects a result: those of the workflow, or all outside of one."""
    statuses = evidence.statuses
    own = {*evidence.results, *statuses, *(["compare"] if "train" in statuses else [])}  # steps of one job
    return [job for job in JOBS if not statuses or job in own]


def running(evidence: ReportEvidence) -> list[str]:
    """Return the jobs whose result is still to come."""
    return [job for job in JOBS if job not in evidence.results and evidence.statuses.get(job) == RUNNING]


def may_still_pass(evidence: ReportEvidence) -> bool:
    """Return whether every gate has passed so far, and a job is running."""
    passed = all(verdict.outcome is Outcome.PASS for verdict in verdicts(evidence))
    return passed and bool(running(evidence))


def _urgency(verdict: Verdict) -> int:
    if verdict.observed.startswith(NOT_RUN):
        return 2
    return [Outcome.FAIL, Outcome.INCONCLUSIVE, None, Outcome.PASS].index(verdict.outcome)


def _of_job(job: str, evidence: ReportEvidence) -> Iterator[Verdict]:
    result = evidence.results.get(job)
    if job in running(evidence):
        return
    if result is None:
        status = _status(job, evidence)
        reason = "an earlier job failed, or the run was stopped"
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
        Outcome.PASS: f"✅ Ready to merge: all {len(judged)} gates pass",
        Outcome.FAIL: f"❌ Blocked: {named}",
        Outcome.INCONCLUSIVE: f"⚠️ Not proven: {named}",
    }[overall(judged)]


def write(evidence: ReportEvidence) -> Document:
    """Return the complete report."""
    compared = evidence.of("compare")
    return [
        Heading(title(evidence), 1),
        *_summary(evidence, compared),
        Heading("Gates"),
        _gates(verdicts(evidence)),
        *_metrics(evidence, compared),
        *_segments(evidence, compared),
        *_charts(evidence, compared),
        *_changes(evidence),
        *_details(evidence, compared),
    ]


def _summary(evidence: ReportEvidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    if unfinished := running(evidence):
        yield paragraph(f"Still running: {', '.join(unfinished)}. This report is updated when they end.")
    for verdict in verdicts(evidence):
        if verdict.outcome is not Outcome.PASS:
            yield paragraph(
                Strong(verdict.gate), f": {verdict.observed}", f". {verdict.reason}" if verdict.reason else ""
            )
    if not compared.get("baselines"):
        return
    rows = next(iter(compared["baselines"].values()))[ALL]
    parts: list[Inline] = [
        f"{evidence.primary} ",
        Strong(_interval(primary(rows, evidence.primary)["candidate"])),
        f" on {compared['rows']:,} test rows",
    ]
    if compared.get("production"):
        gain = primary(compared["production"][ALL], evidence.primary)["gain"]
        parts += [
            f"; compared with production {compared['champion']['version']}: ",
            Strong(DIFFERENCE_LABELS[difference(_finite(gain))]),
        ]
        parts.append(f", {_signed(gain)}.")
    else:
        released = compared.get("champion")
        parts.append(
            f"; not compared with production {released['version']}."
            if released
            else "; no release is in production yet."
        )
    yield paragraph(*parts)


def _gates(judged: Sequence[Verdict]) -> Table:
    cells = [
        (Strong(verdict.gate), OUTCOME_LABELS[verdict.outcome], verdict.observed, verdict.threshold)
        for verdict in judged
    ]
    return Table(("Gate", "Outcome", "Observed", "Threshold"), cells)


def _metrics(evidence: ReportEvidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    if not compared.get("baselines"):
        return
    yield Heading("Metrics")
    sides = [compared.get("production", {}).get(ALL), (compared.get("staging") or {}).get(ALL)]
    rows = [_metric_row(row, evidence, sides) for row in next(iter(compared["baselines"].values()))[ALL]]
    header = ("Metric", "Candidate", "Production", "Gain", "", "Staging", "Gain", "")
    yield Table(header, rows, frozenset({1, 2, 3, 5, 6}))
    yield paragraph(
        "All models are scored on the same test rows. Brackets hold the bootstrap percentile interval at the confidence"
        " of params.yaml. A positive gain means that the candidate is better."
    )


def _metric_row(row: Mapping[str, Any], evidence: ReportEvidence, sides: Sequence[Any]) -> tuple[Inline, ...]:
    metric = metrics.for_task(evidence.task)[row["metric"]]
    name = f"{metric.name} {'↑' if metric.higher_is_better else '↓'}{f' ({metric.unit})' if metric.unit else ''}"
    cells: list[Inline] = [Strong(name) if metric.name == evidence.primary else name, _interval(row["candidate"])]
    for side in sides:
        other = primary(side, metric.name) if side else None
        cells += [_interval(other["champion"]), *_gain_cells(other["gain"])] if other else ["none", "", ""]
    return tuple(cells)


def _gain_cells(gain: Mapping[str, Any]) -> tuple[str, str]:
    return _signed(gain), DIFFERENCE_LABELS[difference(_finite(gain))]


def _segment_rows(evidence: ReportEvidence, compared: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the deciding comparison of each segment with the release in production."""
    groups = compared.get("production", {})
    return {name: decisive(rows, evidence.primary) for name, rows in groups.items() if name != ALL}


def _segments(evidence: ReportEvidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    rows = _segment_rows(evidence, compared)
    changed = {name: row for name, row in rows.items() if difference(_finite(row["gain"])) in ("better", "worse")}
    if not rows:
        return
    yield Heading("Segments that moved")
    if not changed:
        yield paragraph(
            f"None of {len(rows)}: every difference is within noise, at a confidence corrected for their number."
        )
        return
    largest = sorted(changed, key=lambda name: -abs(changed[name]["gain"]["value"]))[:LISTED_SEGMENTS_MAX]
    yield _segment_table({name: changed[name] for name in largest}, evidence.primary)
    if len(changed) > LISTED_SEGMENTS_MAX:
        yield paragraph(f"{len(changed) - LISTED_SEGMENTS_MAX} more are listed under “All segments”.")


def _segment_table(rows: Mapping[str, Mapping[str, Any]], metric: str) -> Table:
    cells = [
        (
            Code(name),
            f"{row['rows']:,}",
            f"{'' if row['metric'] == metric else row['metric'] + ' '}{_interval(row['candidate'])}",
            _signed(row["gain"]),
            DIFFERENCE_LABELS[difference(_finite(row["gain"]))],
        )
        for name, row in rows.items()
    ]
    return Table(("Segment", "Rows", metric, "Gain", ""), cells, frozenset({1, 2, 3}))


def _charts(evidence: ReportEvidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    loss = evidence.of("train").get("loss", [])
    curves = [
        Series(side, [(row["iteration"], row["loss"]) for row in loss if row["rows"] == side])
        for side in ("train", "test")
    ]
    if all(curve.points for curve in curves):
        yield Chart("Training loss", "iteration", "loss", curves)
    deciles = compared.get("calibration")
    if deciles:
        points = [(rank, decile["predicted"], decile["observed"]) for rank, decile in enumerate(deciles, start=1)]
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
    if TUNE_METRICS in changes.files:
        yield from _search(evidence.of("train").get("metrics", {}).get("tune", {}))
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


def _search(search: Mapping[str, Any]) -> Iterator[Block]:
    """Report the size of the search, since the best of many trials is partly luck, and its result on held-out rows."""
    if not search:
        return
    trials, rows, judged = search["trials"], search["rows"], search["judged"]
    tried = f"{trials['tried']} trials ({trials['failed']} failed, {trials['killed']} killed and repeated)"
    yield paragraph(
        f"A search selected the parameters: {tried} on {rows['searched']:,} training rows in {rows['folds']} folds."
        f" On {rows['apart']:,} hold-out rows, {search['metric']} is {_interval(judged['candidate'])},"
        f" and {_interval(judged['champion'])} with the previous parameters: ",
        Strong(DIFFERENCE_LABELS[difference(_finite(judged["gain"]))]),
        f", {_signed(judged['gain'])}.",
    )
    cells: list[tuple[Inline, ...]] = [
        (Code(path), _range(limits), _cell_text(search["current"].get(path)), _cell_text(search["best"].get(path)))
        for path, limits in search["ranges"].items()
    ]
    yield Details("Search space", (Table(("Parameter", "Range", "Before", "Selected"), cells),))


def _range(limits: Mapping[str, Any]) -> str:
    if "choices" in limits:
        return ", ".join(map(str, limits["choices"]))
    return f"{limits['low']} to {limits['high']}{', log scale' if limits.get('log') else ''}"


def _rows(evidence: ReportEvidence) -> dict[str, tuple[Any, Any]]:
    """Return the row counts that differ from those of the base, as (before, after)."""
    after = _prepared(evidence).get("rows", {})
    pairs = {f"{name} rows": (evidence.changes.base_rows.get(name), count) for name, count in after.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _details(evidence: ReportEvidence, compared: Mapping[str, Any]) -> Iterator[Block]:
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
    if stale := evidence.of("train").get("stale"):
        yield paragraph(
            "dvc.lock is out of date for the stages ",
            Code(", ".join(stale)),
            "; update it with ",
            Code("uv run dvc repro && git commit -m 'Update dvc.lock' dvc.lock metrics"),
            ".",
        )
    yield Details("Model card", tuple(_card(evidence, compared)))
    yield Details("Jobs", (_jobs(evidence),))
    if rows := _segment_rows(evidence, compared):
        yield Details(f"All segments ({len(rows)})", (_segment_table(rows, evidence.primary),))


def _prepared(evidence: ReportEvidence) -> Mapping[str, Any]:
    """Return rows and periods of the training and test sets, as the stage `prepare` counted them."""
    prepared: Mapping[str, Any] = evidence.of("train").get("metrics", {}).get("prepare", {})
    return prepared


def _card(evidence: ReportEvidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    """Describe the model and its data: purpose, training data, quality, limits and inputs."""
    yield from (paragraph(text) for text in evidence.card.purpose.split("\n\n"))
    yield Table(("", ""), [*_card_data(evidence), *_card_quality(evidence, compared)])
    yield paragraph(
        Strong("Validity"),
        ": the quality above was measured on the test data; another period or population can give different results."
        " The service rejects a request with an input outside of its range or closed list.",
    )
    yield _card_inputs(evidence)


def _card_data(evidence: ReportEvidence) -> Iterator[tuple[Inline, ...]]:
    card, prepared = evidence.card, _prepared(evidence)
    yield "Target", Code(card.target)
    yield "Task", evidence.task
    yield "Inputs", f"{len(card.columns)}, listed below"
    for name, count in prepared.get("rows", {}).items():
        period = " to ".join(end[:16] for end in prepared.get("period", {}).get(name, []))
        yield SET_LABELS.get(name, f"Rows, {name}"), f"{count:,} rows{f', {period} UTC' if period else ''}"


def _card_quality(evidence: ReportEvidence, compared: Mapping[str, Any]) -> Iterator[tuple[Inline, ...]]:
    """Yield metrics on the test rows, those of the weakest segment, and the calibration."""
    if not compared.get("baselines"):
        return
    for row in next(iter(compared["baselines"].values()))[ALL]:
        yield f"Quality, {row['metric']}", _interval(row["candidate"])
    if weakest := _weakest_segment(evidence, compared):
        name, row = weakest
        yield (
            "Quality, weakest segment",
            f"{name}: {evidence.primary} {_interval(row['candidate'])}, {row['rows']:,} rows",
        )
    result = evidence.results["compare"]
    yield from (("Calibration", verdict.observed) for verdict in result.verdicts if verdict.gate == CALIBRATION)


def _weakest_segment(evidence: ReportEvidence, compared: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the segment whose interval is worst at its favorable end, so that noise in a small one does not decide."""
    higher_is_better = metrics.for_task(evidence.task)[evidence.primary].higher_is_better
    favorable, worst = ("high", min) if higher_is_better else ("low", max)
    groups = compared.get("production", {})
    rows = {name: primary(rows, evidence.primary) for name, rows in groups.items() if name != ALL}
    ends = {name: _finite(row["candidate"])[favorable] for name, row in rows.items()}
    defined = [name for name, end in ends.items() if math.isfinite(end)]
    if not defined:
        return None
    name = worst(defined, key=ends.__getitem__)
    return name, rows[name]


def _card_inputs(evidence: ReportEvidence) -> Table:
    importance = evidence.of("train").get("metrics", {}).get("importance", {})
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
        result = evidence.results.get(job)
        seconds = f"{result.seconds:.1f}" if result else ""
        missing = "⏳ running" if job in running(evidence) else "❌ no result"
        rows.append((job, OUTCOME_LABELS[result.outcome] if result else missing, seconds))
    return Table(("Job", "Outcome", "Seconds"), rows, frozenset({2}))


def _finite(interval: Mapping[str, Any]) -> dict[str, float]:
    """Return the interval with NaN in place of None, since JSON has no NaN."""
    return {end: math.nan if value is None else value for end, value in interval.items()}


def _interval(interval: Mapping[str, Any]) -> str:
    return _with_ends(interval, "")


def _signed(gain: Mapping[str, Any]) -> str:
    return _with_ends(gain, "+")


def _with_ends(interval: Mapping[str, Any], sign: str) -> str:
    """Return `value [low, high]`, or the value alone where the interval is undefined."""
    finite = _finite(interval)
    value, *ends = figures.as_text(*(finite[end] for end in ("value", "low", "high")), sign=sign)
    return value if "undefined" in (value, *ends) else f"{value} [{', '.join(ends)}]"


def _cell_text(value: Any) -> str:
    return "—" if value is None else str(value)

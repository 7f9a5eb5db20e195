"""What the report says: the verdict first, then why, then the evidence, then how to see it again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from slipway import figures, metrics
from slipway.changes import Changes
from slipway.gates import Outcome, Verdict, overall
from slipway.gates.comparison import decisive, difference, primary
from slipway.report.document import Chart, Code, Commands, Details, Heading, Series, Strong, Table, paragraph
from slipway.results import JobResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.report.document import Block, Document, Inline

JOBS = ("data", "train", "compare", "test", "lint")
"""Results that a pull request must leave behind, the most telling first. One that is missing has failed."""

NOT_RUN = "did not run"

WORDS = {Outcome.PASS: "✅ pass", Outcome.FAIL: "❌ fail", Outcome.INCONCLUSIVE: "⚠️ inconclusive"}
CHANGE_WORDS = {"better": "▲ better", "worse": "▼ worse", "within noise": "≈ within noise", "undefined": "? undefined"}
SEGMENTS_SHOWN = 5
FILES_SHOWN = 50
SEARCH = "metrics/tune.json"  # by which a pull request shows that a search found its parameters
BAR = 20  # characters of the longest bar
TINY = 1e-12  # in place of an importance of zero, so that nothing is divided by it


class Column(BaseModel):
    """A column of `Row`, as its author described it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    unit: str


class Card(BaseModel):
    """What the problem says of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: str
    target: str
    columns: list[Column]


class Evidence(BaseModel):
    """All that a report is written from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    results: dict[str, JobResult]
    changes: Changes
    task: Literal["binary", "multiclass", "regression"]
    primary: str
    card: Card
    statuses: dict[str, str]
    """How each job ended, as the workflow says; empty where there was no workflow."""

    def of(self, job: str) -> Mapping[str, Any]:
        """Evidence that a job left; empty when it left none."""
        return self.results[job].evidence if job in self.results else {}


def verdicts(evidence: Evidence) -> list[Verdict]:
    """Every gate of every job, in the order in which they matter: what failed, is unproven, did not run, passed.

    A job that left nothing, or crashed before its gates, is a failed gate of its own.
    """
    return sorted((verdict for job in JOBS for verdict in _of_job(job, evidence)), key=_urgency)


def _urgency(verdict: Verdict) -> int:
    if verdict.observed.startswith(NOT_RUN):
        return 2
    return [Outcome.FAIL, Outcome.INCONCLUSIVE, None, Outcome.PASS].index(verdict.outcome)


def _of_job(job: str, evidence: Evidence) -> Iterator[Verdict]:
    result = evidence.results.get(job)
    if result is None:
        status = evidence.statuses.get(job, "left no result")
        yield Verdict(
            job, Outcome.FAIL, "runs to its end", f"{NOT_RUN} ({status})", "an earlier job failed, or it was cancelled"
        )
        return
    yield from result.verdicts
    if result.error and Outcome.FAIL not in {verdict.outcome for verdict in result.verdicts}:
        yield Verdict(job, Outcome.FAIL, "runs to its end", "crashed", result.error)


def outcome(evidence: Evidence) -> Outcome:
    """The verdict of the report."""
    return overall(verdicts(evidence))


def title(evidence: Evidence) -> str:
    """The first line: the verdict, and what blocks."""
    found = verdicts(evidence)
    blocking = [verdict.gate for verdict in found if verdict.outcome is not Outcome.PASS]
    named = ", ".join(blocking[:3]) + (f" and {len(blocking) - 3} more" if len(blocking) > 3 else "")
    return {
        Outcome.PASS: f"✅ Ready to merge: all {len(found)} gates pass",
        Outcome.FAIL: f"❌ Blocked: {named}",
        Outcome.INCONCLUSIVE: f"⚠️ Not proven: {named}",
    }[overall(found)]


def write(evidence: Evidence) -> Document:
    """The whole report."""
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


def _summary(evidence: Evidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    for verdict in verdicts(evidence):
        if verdict.outcome is not Outcome.PASS:
            yield paragraph(
                Strong(verdict.gate), f": {verdict.observed}", f". {verdict.reason}" if verdict.reason else ""
            )
    if not compared.get("baselines"):
        return
    rows = next(iter(compared["baselines"].values()))["all"]
    parts: list[Inline] = [
        f"{evidence.primary} ",
        Strong(_interval(primary(rows, evidence.primary)["candidate"])),
        f" on {compared['rows']:,} test rows",
    ]
    if compared.get("production"):
        gain = primary(compared["production"]["all"], evidence.primary)["gain"]
        parts += [
            f"; against production {compared['champion']['version']}: ",
            Strong(CHANGE_WORDS[difference(_finite(gain))]),
        ]
        parts.append(f", {_signed(gain)}.")
    else:
        released = compared.get("champion")
        parts.append(
            f"; not compared with production {released['version']}."
            if released
            else "; there is no release in production to compare with."
        )
    yield paragraph(*parts)


def _gates(found: Sequence[Verdict]) -> Table:
    cells = [(Strong(row.gate), WORDS[row.outcome], row.observed, row.threshold) for row in found]
    return Table(("Gate", "Outcome", "Observed", "Threshold"), cells)


def _metrics(evidence: Evidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    if not compared.get("baselines"):
        return
    yield Heading("Metrics")
    sides = [compared.get("production", {}).get("all"), (compared.get("staging") or {}).get("all")]
    rows = [_metric_row(row, evidence, sides) for row in next(iter(compared["baselines"].values()))["all"]]
    header = ("Metric", "Candidate", "Production", "Gain", "", "Staging", "Gain", "")
    yield Table(header, rows, frozenset({1, 2, 3, 5, 6}))
    yield paragraph(
        "All on the same test rows. In brackets, the interval that holds the value with the confidence of params.yaml;"
        " a gain is positive where the candidate is better."
    )


def _metric_row(row: Mapping[str, Any], evidence: Evidence, sides: Sequence[Any]) -> tuple[Inline, ...]:
    metric = metrics.for_task(evidence.task)[row["metric"]]
    name = f"{metric.name} {'↑' if metric.higher_is_better else '↓'}{f' ({metric.unit})' if metric.unit else ''}"
    cells: list[Inline] = [Strong(name) if metric.name == evidence.primary else name, _interval(row["candidate"])]
    for side in sides:
        beside = primary(side, metric.name) if side else None
        cells += [_interval(beside["champion"]), *_gained(beside["gain"])] if beside else ["none", "", ""]
    return tuple(cells)


def _gained(gain: Mapping[str, Any]) -> tuple[str, str]:
    return _signed(gain), CHANGE_WORDS[difference(_finite(gain))]


def _segments(evidence: Evidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    groups = {
        name: decisive(rows, evidence.primary) for name, rows in compared.get("production", {}).items() if name != "all"
    }
    moved = {name: row for name, row in groups.items() if difference(_finite(row["gain"])) in ("better", "worse")}
    if not groups:
        return
    yield Heading("Segments that moved")
    if not moved:
        yield paragraph(f"None of {len(groups)}: each is within noise, at a confidence corrected for their number.")
        return
    biggest = sorted(moved, key=lambda name: -abs(moved[name]["gain"]["value"]))[:SEGMENTS_SHOWN]
    yield _segment_table({name: moved[name] for name in biggest}, evidence.primary)
    if len(moved) > SEGMENTS_SHOWN:
        yield paragraph(f"And {len(moved) - SEGMENTS_SHOWN} more, below.")


def _segment_table(rows: Mapping[str, Mapping[str, Any]], metric: str) -> Table:
    cells = [
        (
            Code(name),
            f"{row['rows']:,}",
            f"{'' if row['metric'] == metric else row['metric'] + ' '}{_interval(row['candidate'])}",
            _signed(row["gain"]),
            CHANGE_WORDS[difference(_finite(row["gain"]))],
        )
        for name, row in rows.items()
    ]
    return Table(("Segment", "Rows", metric, "Gain", ""), cells, frozenset({1, 2, 3}))


def _charts(evidence: Evidence, compared: Mapping[str, Any]) -> Iterator[Block]:
    loss = evidence.of("train").get("loss", [])
    curves = [
        Series(side, [(row["iteration"], row["loss"]) for row in loss if row["rows"] == side])
        for side in ("train", "test")
    ]
    if all(curve.points for curve in curves):
        yield Chart("Training loss", "iteration", "loss", curves)
    bins = compared.get("calibration")
    if bins:
        points = [(position, part["predicted"], part["observed"]) for position, part in enumerate(bins, start=1)]
        yield Chart(
            "Calibration",
            "tenth of the test rows, from the lowest prediction to the highest",
            "mean of the tenth",
            [Series("predicted", [(x, y) for x, y, _ in points]), Series("observed", [(x, y) for x, _, y in points])],
        )


def _changes(evidence: Evidence) -> Iterator[Block]:
    changes = evidence.changes
    yield Heading("What changes")
    yield from (paragraph(f"Not compared: {problem}.") for problem in changes.problems)
    if changes.base is None:
        yield paragraph("The base of this pull request is not known here, so nothing can be compared with it.")
        return
    rows: list[tuple[Inline, ...]] = [
        (kind, Code(name), Code(_shown(before)), Code(_shown(after)))
        for kind, pairs in (("parameter", changes.parameters), ("data", {**changes.data, **_rows(evidence)}))
        for name, (before, after) in pairs.items()
    ]
    if rows:
        yield Table(("", "Name", "Before", "After"), rows)
    if not changes.parameters and not changes.problems:
        yield paragraph("No parameter changes.")
    if SEARCH in changes.files:
        yield from _search(evidence.of("train").get("metrics", {}).get("tune", {}))
    if not changes.data and not changes.problems:
        yield paragraph("No data changes.")
    yield _files(changes)


def _files(changes: Changes) -> Block:
    """List every path that differs; a renamed file is there under both, so that what is gone is not overlooked."""
    former = {before: path for path, before in changes.renamed.items()}
    rows: list[tuple[Inline, ...]] = []
    for path in changes.files[:FILES_SHOWN]:
        other = former.get(path) or changes.renamed.get(path, "")
        direction = ("to" if path in former else "from") if other else ""
        rows.append((Code(path), f"{changes.kinds.get(path, '')} {direction}".strip(), Code(other) if other else ""))
    title = f"{len(changes.files)} files differ from {str(changes.base)[:8]}"
    return Details(title, (Table(("File", "Change", "Other path"), rows),))


def _search(found: Mapping[str, Any]) -> Iterator[Block]:
    """How much was searched for these parameters: the best of many is better by luck alone on what it was chosen by."""
    if not found:
        return
    trials, rows, judged = found["trials"], found["rows"], found["judged"]
    tried = f"{trials['tried']} tried ({trials['failed']} failed, {trials['killed']} killed and done again)"
    yield paragraph(
        f"The parameters come of a search: {tried} on {rows['searched']:,} training rows in {rows['folds']} folds."
        f" On {rows['apart']:,} others that the search did not see, {found['metric']} is"
        f" {_interval(judged['candidate'])}, with those before {_interval(judged['champion'])}: ",
        Strong(CHANGE_WORDS[difference(_finite(judged["gain"]))]),
        f", {_signed(judged['gain'])}.",
    )
    cells: list[tuple[Inline, ...]] = [
        (Code(path), _range(about), _shown(found["current"].get(path)), _shown(found["best"].get(path)))
        for path, about in found["ranges"].items()
    ]
    yield Details("What was searched", (Table(("Parameter", "Range", "Before", "Found"), cells),))


def _range(about: Mapping[str, Any]) -> str:
    if "choices" in about:
        return ", ".join(map(str, about["choices"]))
    return f"{about['low']} to {about['high']}{', in equal factors' if about.get('log') else ''}"


def _rows(evidence: Evidence) -> dict[str, tuple[Any, Any]]:
    """Counts of rows that the training of this run saw, and that of the base did not."""
    after = evidence.of("train").get("metrics", {}).get("prepare", {}).get("rows", {})
    pairs = {f"{name} rows": (evidence.changes.base_rows.get(name), count) for name, count in after.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _details(evidence: Evidence, compared: Mapping[str, Any]) -> Iterator[Block]:
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
            "dvc.lock is behind for ",
            Code(", ".join(stale)),
            "; to bring it up to date: ",
            Code("uv run dvc repro && git commit -m 'Update dvc.lock' dvc.lock metrics"),
            ".",
        )
    yield Details("Model card", tuple(_card(evidence)))
    yield Details("Jobs", (_jobs(evidence),))
    groups = {
        name: decisive(rows, evidence.primary) for name, rows in compared.get("production", {}).items() if name != "all"
    }
    if groups:
        yield Details(f"All {len(groups)} segments", (_segment_table(groups, evidence.primary),))


def _card(evidence: Evidence) -> Iterator[Block]:
    """What the model is for and was made from, and which columns it leans on."""
    card, prepared = evidence.card, evidence.of("train").get("metrics", {}).get("prepare", {})
    yield paragraph(card.purpose)
    facts: list[tuple[Inline, ...]] = [("Target", Code(card.target)), ("Task", evidence.task)]
    facts += [(f"Rows, {name}", f"{count:,}") for name, count in prepared.get("rows", {}).items()]
    facts += [(f"Period, {name}", " to ".join(ends)) for name, ends in prepared.get("period", {}).items()]
    yield Table(("", ""), facts)
    importance = evidence.of("train").get("metrics", {}).get("importance", {})
    largest = max([*importance.values(), TINY])
    columns = sorted(card.columns, key=lambda column: -importance.get(column.name, 0.0))
    rows: list[tuple[Inline, ...]] = [
        (Code(column.name), column.description, column.unit, _bar(importance.get(column.name, 0.0) / largest))
        for column in columns
    ]
    yield Table(("Column", "Meaning", "Unit", f"Importance: loss of {evidence.primary} when shuffled"), rows)


def _bar(share: float) -> str:
    return "█" * round(max(share, 0.0) * BAR) or "·"


def _jobs(evidence: Evidence) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for job in JOBS:
        result = evidence.results.get(job)
        seconds = f"{result.seconds:.1f}" if result else ""
        rows.append((job, WORDS[result.outcome] if result else "❌ no result", seconds))
    return Table(("Job", "Outcome", "Seconds"), rows, frozenset({2}))


def _finite(interval: Mapping[str, Any]) -> dict[str, float]:
    """JSON has no NaN: it comes back as None."""
    return {end: math.nan if value is None else value for end, value in interval.items()}


def _interval(interval: Mapping[str, Any]) -> str:
    return _with_ends(interval, "")


def _signed(gain: Mapping[str, Any]) -> str:
    return _with_ends(gain, "+")


def _with_ends(interval: Mapping[str, Any], sign: str) -> str:
    """`value [low, high]`; only the value where the interval is undefined."""
    finite = _finite(interval)
    value, *ends = figures.as_text(*(finite[end] for end in ("value", "low", "high")), sign=sign)
    return value if "undefined" in (value, *ends) else f"{value} [{', '.join(ends)}]"


def _shown(value: Any) -> str:
    return "—" if value is None else str(value)

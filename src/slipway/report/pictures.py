"""Pictures of the candidate's errors: the ROC curve or the residuals, calibration, confusion and training loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slipway.gates import Outcome
from slipway.gates.comparison import CALIBRATION
from slipway.report import judgment
from slipway.report.document import Chart, Code, Details, Series, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slipway.evaluation.compared import Confusion, Decile, RocPoint
    from slipway.report.document import Block, Inline
    from slipway.report.evidence import ReportEvidence


def section(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield all pictures collapsed under their names, and the calibration above them where its gate does not pass."""
    pictures = {
        "ROC curve": [*_roc(evidence)],
        "ROC curve of each class": [*_roc_by_class(evidence)],
        "residuals": [*_residuals(evidence)],
        "calibration": [*calibration(evidence)],
        "calibration of each class": [*_calibration_by_class(evidence)],
        "errors by class": [*_confusion(evidence)],
        "training loss": [*_loss(evidence)],
    }
    if any(
        verdict.gate == CALIBRATION and verdict.outcome is not Outcome.PASS for verdict in judgment.verdicts(evidence)
    ):
        yield from pictures.pop("calibration")
    drawn = {name: blocks for name, blocks in pictures.items() if blocks}
    if drawn:
        names = ", ".join(drawn)
        yield Details(f"{names[0].upper()}{names[1:]}", tuple(block for blocks in drawn.values() for block in blocks))


def _roc(evidence: ReportEvidence) -> Iterator[Block]:
    yield from _roc_chart("ROC curve", evidence.compared.roc if evidence.compared else [])


def _roc_by_class(evidence: ReportEvidence) -> Iterator[Block]:
    for name, points in (evidence.compared.roc_by_class if evidence.compared else {}).items():
        yield from _roc_chart(f"ROC curve, {name} against the rest", points)


def _roc_chart(title: str, points: Sequence[RocPoint]) -> Iterator[Block]:
    curves = [Series("candidate", [(point.false_positives, point.true_positives) for point in points])]
    others = [(point.false_positives, point.champion) for point in points if point.champion is not None]
    if others and len(others) == len(points):
        curves.append(Series("production", others))
    band = [(point.low, point.high) for point in points]
    yield from _chart(Chart(title, "false positive rate", "true positive rate", curves, band))


def _residuals(evidence: ReportEvidence) -> Iterator[Block]:
    rows = [*enumerate(evidence.compared.residuals if evidence.compared else [], start=1)]
    median = Series("median", [(rank, row.median) for rank, row in rows])
    band = [(row.low, row.high) for _, row in rows]
    x = "decile of the predictions on the test rows"
    yield from _chart(Chart("Residuals", x, "observed - predicted", [median], band, "80% of the rows"))


def calibration(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield the chart of predicted and observed means by decile, if calibration was measured."""
    yield from _calibration_chart("Calibration", evidence.compared.calibration if evidence.compared else [])


def _calibration_by_class(evidence: ReportEvidence) -> Iterator[Block]:
    for name, deciles in (evidence.compared.calibration_by_class if evidence.compared else {}).items():
        yield from _calibration_chart(f"Calibration, {name} against the rest", deciles)


def _calibration_chart(title: str, measured: Sequence[Decile]) -> Iterator[Block]:
    deciles = [decile for decile in measured if math.isfinite(decile.predicted + decile.observed)]
    band = [(row.low, row.high) for row in deciles if row.low is not None and row.high is not None]
    is_whole = len(band) == len(deciles) and all(math.isfinite(low + high) for low, high in band)
    lines = {"predicted": [row.predicted for row in deciles], "observed": [row.observed for row in deciles]}
    curves = [Series(name, [*enumerate(values, start=1)]) for name, values in lines.items()]
    x = "decile of the predictions on the test rows"
    yield from _chart(Chart(title, x, "mean per decile", curves, band if is_whole else [], "interval of observed"))


def _loss(evidence: ReportEvidence) -> Iterator[Block]:
    loss = [point for point in evidence.trained.loss if math.isfinite(point.loss)]
    curves = [
        Series(side, [(point.iteration, point.loss) for point in loss if point.rows == side])
        for side in ("train", "test")
    ]
    yield from _chart(Chart("Training loss", "iteration", "loss", curves))


def _chart(chart: Chart) -> Iterator[Block]:
    """Yield the chart if every line has points, all of them finite."""
    values = [y for series in chart.series for _, y in series.points] + [end for ends in chart.band for end in ends]
    if all(series.points for series in chart.series) and all(map(math.isfinite, values)):
        yield chart


def _confusion(evidence: ReportEvidence) -> Iterator[Block]:
    confusion = evidence.compared.confusion if evidence.compared else None
    if confusion is None:
        return
    at = "" if confusion.threshold is None else f" at the threshold {confusion.threshold:g} of params.yaml"
    production = "" if confusion.champion is None else ", with production in parentheses"
    yield paragraph(Strong("Errors by class"), f"{at}: test rows by actual and predicted class{production}.")
    yield _confusion_table(confusion)


def _confusion_table(confusion: Confusion) -> Table:
    header = ("Actual", *(f"Predicted {name}" for name in confusion.classes), "Correct")
    rows: list[tuple[Inline, ...]] = []
    for row, name in enumerate(confusion.classes):
        sides = [confusion.candidate[row], *([confusion.champion[row]] if confusion.champion else [])]
        cells = [_pair([f"{side[column]:,}" for side in sides]) for column in range(len(confusion.classes))]
        rows.append((Code(name), *cells, _pair([_fraction(side, row) for side in sides])))
    return Table(header, rows, frozenset(range(1, len(header))))


def _pair(cells: Sequence[str]) -> str:
    return cells[0] if len(cells) == 1 else f"{cells[0]} ({cells[1]})"


def _fraction(counts: Sequence[int], position: int) -> str:
    return f"{counts[position] / sum(counts):.1%}" if sum(counts) else "no rows"

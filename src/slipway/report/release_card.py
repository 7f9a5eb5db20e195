"""The model card of a release, from evidence and the section `card`: Markdown with the header of Hugging Face.

Source of the header: https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway import figures
from slipway.evaluation.segments import ALL
from slipway.gates import Outcome
from slipway.gates.comparison import decisive, difference
from slipway.report import markdown, model_card, pictures
from slipway.report.comparison import with_ends
from slipway.report.document import Code, Heading, Paragraph, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.evaluation.compared import Comparison
    from slipway.report.document import Block, Inline
    from slipway.report.evidence import ReportEvidence
    from slipway.settings.training import CardSection

LIBRARIES = {"onnx": "onnx", "skops": "sklearn"}
NOT_STATED = "Not stated"


@dataclass(frozen=True)
class ReleasedModel:
    """What the card of a release is written from."""

    version: str
    commit: str
    format: str
    """Of the model: `onnx` or `skops`."""
    metrics: Mapping[str, float]
    """Metrics of the model on the test rows."""
    evidence: ReportEvidence
    stated: CardSection
    minimum_segment_rows: int
    """Rows below which a segment is not judged."""


def render(model: ReleasedModel) -> str:
    """Return the card in Markdown, with its YAML header."""
    fields = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in _header(model).items())
    return f"---\n{fields}---\n\n{markdown.render([*_document(model)])}"


def _header(model: ReleasedModel) -> dict[str, Any]:
    """Return the header; JSON values are YAML, too. A license that is not stated has no key."""
    evidence = model.evidence
    kind = "tabular-regression" if evidence.task == "regression" else "tabular-classification"
    measured = {name: value for name, value in model.metrics.items() if math.isfinite(value)}
    result = {
        "task": {"type": kind},
        "dataset": {"type": "tabular", "name": f"test rows of {evidence.card.target}"},
        "metrics": [{"type": name, "value": value} for name, value in measured.items()],
    }
    header = {
        "license": model.stated.license,
        "library_name": LIBRARIES.get(model.format, model.format),
        "pipeline_tag": kind,
        "tags": ["slipway", evidence.task],
        "model-index": [{"name": f"{evidence.card.target} {model.version}", "results": [result]}],
    }
    return {key: value for key, value in header.items() if value}


def _document(model: ReleasedModel) -> Iterator[Block]:
    evidence, stated = model.evidence, model.stated
    yield Heading(f"{evidence.card.target}, {model.version}", 1)
    yield Heading("Use")
    yield Table(
        ("", ""),
        [
            ("Intended use", stated.intended_use or NOT_STATED),
            ("Out of scope", stated.out_of_scope or NOT_STATED),
            ("License", stated.license or NOT_STATED),
            ("License of the data", Code(stated.data_license) if stated.data_license else NOT_STATED),
            ("Contact", stated.contact or NOT_STATED),
            ("Commit", Code(model.commit)),
        ],
    )
    yield Heading("Model, data and quality")
    yield from model_card.card(evidence)
    if not evidence.comparisons:
        yield Table(
            ("Metric", "Test rows"), [(name, figures.as_text(value)[0]) for name, value in model.metrics.items()]
        )
    yield from _segments(evidence)
    yield from pictures.calibration(evidence)
    yield Heading("Known failures")
    yield from failures(model)


def _by_segment(evidence: ReportEvidence) -> dict[str, Comparison]:
    segments = evidence.production or (evidence.compared.segments if evidence.compared else {})
    return {name: decisive(rows, evidence.primary) for name, rows in segments.items() if name != ALL}


def _segments(evidence: ReportEvidence) -> Iterator[Block]:
    rows: list[tuple[Inline, ...]] = [
        (Code(name), f"{row.rows:,}", row.metric, with_ends(row.candidate))
        for name, row in _by_segment(evidence).items()
    ]
    if rows:
        yield Heading("Quality by segment")
        yield Table(("Segment", "Rows", "Metric", "Value"), rows, frozenset({1, 3}))


def failures(model: ReleasedModel) -> list[Paragraph]:
    """Return where the model fails, by its gates and the comparison, and where monitoring reports more."""
    evidence, segments = model.evidence, _by_segment(model.evidence)
    failing = [
        (verdict.gate, f"{verdict.outcome}: {verdict.observed}. {verdict.reason}".rstrip(". "))
        for result in (evidence.results.train, evidence.results.compare)
        for verdict in (result.verdicts if result else [])
        if verdict.outcome is not Outcome.PASS
    ]
    worse = [name for name, row in segments.items() if difference(row.gain) == "worse"]
    other = "the previous release" if evidence.production else "the baseline"
    failing += [(f"Worse than {other}", ", ".join(worse))] if worse else []
    small = [f"{name} ({row.rows:,})" for name, row in segments.items() if row.rows < model.minimum_segment_rows]
    reason = f"{', '.join(small)}; fewer than {model.minimum_segment_rows:,} rows"
    failing += [("Segments that were not judged", reason)] if small else []
    failing += _bias(evidence)
    later = "Monitoring of production reports drift, decay and skew in the health issue of the repository."
    return [*(paragraph(Strong(name), f": {text}.") for name, text in failing), paragraph(later)]


def _bias(evidence: ReportEvidence) -> list[tuple[str, str]]:
    """Return by how much predictions are off on average, where every decile is on the same side."""
    deciles = evidence.compared.calibration if evidence.compared else []
    gaps = [row.predicted - row.observed for row in deciles]
    if not gaps or not (all(gap > 0 for gap in gaps) or all(gap < 0 for gap in gaps)):
        return []
    predicted, observed = figures.as_text(*(sum(side) / len(gaps) for side in zip(*_sides(deciles), strict=True)))
    return [("Calibration", f"the mean prediction is {predicted}, the mean outcome {observed}, off in every decile")]


def _sides(deciles: list[Any]) -> list[tuple[float, float]]:
    return [(row.predicted, row.observed) for row in deciles]

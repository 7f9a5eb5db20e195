"""The document that a pull request submits to the privileged comment job.

`submit` writes the evidence that the report shows, with strings and numbers cut to their bounds. `accept` validates the
document against the same models, and rejects any other key and any value beyond its bounds.
"""

from __future__ import annotations

from slipway.report.evidence import ReportEvidence
from slipway.schema.bounds import Bounds


def accept(document: bytes) -> ReportEvidence:
    """Return the evidence in `document`, which is untrusted. Raises ValidationError unless it matches the models."""
    return ReportEvidence.model_validate_json(document, context=Bounds.REJECT)


def submit(evidence: ReportEvidence) -> str:
    """Return the document for `accept`."""
    reported = evidence.model_dump_json(by_alias=True)  # without what only the subclasses of the models have
    shortened = ReportEvidence.model_validate_json(reported, context=Bounds.SHORTEN)
    return shortened.model_dump_json(indent=2, by_alias=True) + "\n"

"""Size and latency of the candidate, compared with those of the model in production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.gates.comparison import LATENCY, SIZE, kilobytes, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.gates.comparison_evidence import Sides
    from slipway.report.evidence import ReportEvidence


@dataclass(frozen=True)
class Footprint:
    """A quantity of the candidate as text. The other fields are empty where production's was not measured."""

    name: str
    candidate: str
    production: str = ""
    ratio: str = ""
    difference: str = ""
    """`better`, `worse` or `within noise`."""


def footprints(evidence: ReportEvidence) -> list[Footprint]:
    """Return the quantities that were measured. Two sizes differ where their ratio, as it is shown, is not 1."""
    compared, noise = evidence.compared, evidence.margins.latency_noise if evidence.margins else 1.0
    if compared is None:
        return []
    measured = ((SIZE, compared.bytes, kilobytes, 1.0), (LATENCY, compared.milliseconds, milliseconds, noise))
    return [_footprint(name, sides, as_text, noise) for name, sides, as_text, noise in measured if sides]


def _footprint(name: str, sides: Sides, as_text: Callable[[float], str], noise: float) -> Footprint:
    candidate, production = sides.candidate, sides.champion or 0
    if not production > 0:
        return Footprint(name, as_text(candidate))
    ratio = round(candidate / production, 2)
    difference = "better" if ratio * noise < 1 else "within noise" if ratio <= noise else "worse"  # worse if NaN
    return Footprint(name, as_text(candidate), as_text(production), f"{ratio:.2f} times", difference)

"""The gates of training itself: evidence of `slipway.checks.convergence` in, verdicts out.

Each function judges the evidence of the function of the same name. `limits` is the section `convergence` of
params.yaml. Evidence that is missing or NaN fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway import figures
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Judge = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[bool, str, str]]
    """From evidence and limits to (holds, threshold, observed)."""


def loss_falls(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Training ends at a loss well below the one that it began with."""
    fall, least = _fall(evidence["last"], evidence["first"]), limits["loss_fall"]
    first, last = figures.as_text(evidence["first"], evidence["last"])
    observed = f"{first} to {last} over {evidence['over']}: {-fall:+.1%}"
    return fall >= least, f"falls by {least:.0%} or more", observed


def overfits(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:
    """A small sample is learned by heart."""
    fall, least = _fall(evidence["model"], evidence["dummy"]), limits["overfit_fall"]
    model, dummy = figures.as_text(evidence["model"], evidence["dummy"])
    observed = f"{-fall:+.1%} ({model} against {dummy})"
    return fall >= least, f"loss {least:.0%} or more under the dummy's", observed


def shuffled(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Nothing is learned from shuffled labels."""
    skill, most = evidence["skill"], limits["chance_skill"]
    return abs(skill) <= most, f"skill within {most} of chance", f"{skill:+.3f}"


def finite(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:  # noqa: ARG001  as the others
    """Every prediction on strange inputs is a finite number."""
    broken = {case: found for case, found in evidence.items() if found != 0}
    observed = (
        "; ".join(f"{case}: {found}" for case, found in broken.items()) or f"{len(evidence)} kinds of input, all finite"
    )
    return bool(evidence) and not broken, "no prediction that is not finite", observed


def repeats(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:  # noqa: ARG001  as the others
    """The same seed gives the same model."""
    first, second = evidence["digests"]
    return first == second, "equal digests", f"{first[:12]} and {second[:12]}"


def beats_baselines(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:
    """The model orders held-out rows better than every baseline."""
    baselines, margin = {name: skill for name, skill in evidence.items() if name != "model"}, limits["baseline_margin"]
    beaten = [evidence["model"] - skill >= margin for skill in baselines.values()]
    observed = ", ".join(f"{name} {skill:.3f}" for name, skill in evidence.items())
    return bool(beaten) and all(beaten), f"skill {margin} or more above each baseline", observed


def _fall(after: float, before: float) -> float:
    """Relative fall of a loss; NaN or a loss that was zero is no fall."""
    return (before - after) / before if before > 0 else 0.0


JUDGES: dict[str, tuple[str, Judge]] = {
    "loss_falls": ("training loss falls", loss_falls),
    "overfits": ("small sample learned by heart", overfits),
    "shuffled": ("shuffled labels teach nothing", shuffled),
    "finite": ("predictions are finite", finite),
    "repeats": ("same seed, same model", repeats),
    "beats_baselines": ("baselines beaten", beats_baselines),
}


def verdict(name: str, evidence: Mapping[str, Any] | None, limits: Mapping[str, Any]) -> Verdict:
    """Verdict on one property, by the name of its function."""
    gate, judge = JUDGES[name]
    try:
        holds, threshold, observed = judge(evidence, limits)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Verdict(gate, Outcome.FAIL, "evidence", "none", f"no evidence ({type(error).__name__}: {error})")
    return Verdict(gate, Outcome.PASS if holds else Outcome.FAIL, threshold, observed)


def verdicts(evidence: Mapping[str, Mapping[str, Any]], limits: Mapping[str, Any]) -> list[Verdict]:
    """A verdict for each property, whether or not there is evidence of it."""
    return [verdict(name, evidence.get(name), limits) for name in JUDGES]

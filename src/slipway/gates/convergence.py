"""Gates on the training code, judged on the evidence of `slipway.checks.convergence`.

Each function judges the evidence of the function of the same name there. `limits` is the section `convergence` of
`params.yaml`. Evidence that is missing or NaN fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway import figures
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Judge = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[bool, str, str]]
    """Maps evidence and limits to (holds, threshold, observed)."""


def loss_falls(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Require that the training loss falls by at least the fraction `loss_fall` from the first to the last point."""
    fall, fall_min = _fall(evidence["last"], evidence["first"]), limits["loss_fall"]
    first, last = figures.as_text(evidence["first"], evidence["last"])
    observed = f"{first} to {last} over {evidence['over']}: {-fall:+.1%}"
    return fall >= fall_min, f"falls by {fall_min:.0%} or more", observed


def overfits(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Require that the model overfits a small sample: its loss there is well below the dummy's."""
    fall, fall_min = _fall(evidence["model"], evidence["dummy"]), limits["overfit_fall"]
    model, dummy = figures.as_text(evidence["model"], evidence["dummy"])
    observed = f"{-fall:+.1%} ({model} against {dummy})"
    return fall >= fall_min, f"loss {fall_min:.0%} or more below the dummy's", observed


def shuffled(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Require that a model of shuffled labels has no more than chance skill."""
    skill, skill_max = evidence["skill"], limits["chance_skill"]
    return abs(skill) <= skill_max, f"skill within {skill_max} of chance", f"{skill:+.3f}"


def finite(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:  # noqa: ARG001  a Judge
    """Require that every prediction on extreme inputs is a finite number."""
    broken = {case: count for case, count in evidence.items() if count != 0}
    observed = "; ".join(f"{case}: {count}" for case, count in broken.items())
    observed = observed or f"{len(evidence)} kinds of input, all finite"
    return bool(evidence) and not broken, "every prediction is finite", observed


def repeats(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:  # noqa: ARG001  a Judge
    """Require that two trainings with one seed give models with equal digests."""
    first, second = evidence["digests"]
    return first == second, "equal digests", f"{first[:12]} and {second[:12]}"


def beats_baselines(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Require that the model's skill on held-out rows exceeds that of every baseline by `baseline_margin`."""
    baselines, margin = {name: skill for name, skill in evidence.items() if name != "model"}, limits["baseline_margin"]
    beaten = [evidence["model"] - skill >= margin for skill in baselines.values()]
    observed = ", ".join(f"{name} {skill:.3f}" for name, skill in evidence.items())
    return bool(beaten) and all(beaten), f"skill {margin} or more above each baseline", observed


def _fall(after: float, before: float) -> float:
    """Return the relative fall of a loss; 0 where the loss before was zero or NaN."""
    return (before - after) / before if before > 0 else 0.0


JUDGES: dict[str, tuple[str, Judge]] = {
    "loss_falls": ("training loss falls", loss_falls),
    "overfits": ("small sample overfit", overfits),
    "shuffled": ("shuffled labels teach nothing", shuffled),
    "finite": ("predictions are finite", finite),
    "repeats": ("same seed, same model", repeats),
    "beats_baselines": ("baselines beaten", beats_baselines),
}


def verdict(name: str, evidence: Mapping[str, Any] | None, limits: Mapping[str, Any]) -> Verdict:
    """Return the verdict on one property; `name` is a key of `JUDGES`."""
    gate, judge = JUDGES[name]
    if evidence is None:
        return Verdict(gate, Outcome.FAIL, "evidence", "none", "no evidence")
    try:
        holds, threshold, observed = judge(evidence, limits)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Verdict(gate, Outcome.FAIL, "evidence", "none", f"no evidence ({type(error).__name__}: {error})")
    return Verdict(gate, Outcome.PASS if holds else Outcome.FAIL, threshold, observed)


def verdicts(evidence: Mapping[str, Mapping[str, Any]], limits: Mapping[str, Any]) -> list[Verdict]:
    """Return the verdict on every property; one without evidence fails."""
    return [verdict(name, evidence.get(name), limits) for name in JUDGES]

"""Gates on the training code, judged on the evidence of `slipway.checks.convergence`.

Each function judges the evidence of the function of the same name there. Evidence that is missing or NaN fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway import figures
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slipway.gates.convergence_evidence import (
        ConvergenceEvidence,
        Digests,
        LossFall,
        ShuffledSkill,
        SmallSampleLoss,
    )
    from slipway.settings.training import ConvergenceSection

    Judge = Callable[[Any, ConvergenceSection], tuple[bool, str, str]]
    """Maps the evidence of one property and limits to (holds, threshold, observed)."""


def loss_falls(evidence: LossFall, limits: ConvergenceSection) -> tuple[bool, str, str]:
    """Require that the training loss falls by at least the fraction `loss_fall` from the first to the last point."""
    fall = _fall(evidence.last, evidence.first)
    first, last = figures.as_text(evidence.first, evidence.last)
    observed = f"{first} to {last} over {evidence.over}: {-fall:+.1%}"
    return fall >= limits.loss_fall, f"falls by {limits.loss_fall:.0%} or more", observed


def overfits(evidence: SmallSampleLoss, limits: ConvergenceSection) -> tuple[bool, str, str]:
    """Require that the model overfits a small sample: its loss there is well below the dummy's."""
    fall = _fall(evidence.model, evidence.dummy)
    model, dummy = figures.as_text(evidence.model, evidence.dummy)
    observed = f"{-fall:+.1%} ({model} against {dummy})"
    return fall >= limits.overfit_fall, f"loss {limits.overfit_fall:.0%} or more below the dummy's", observed


def shuffled(evidence: ShuffledSkill, limits: ConvergenceSection) -> tuple[bool, str, str]:
    """Require that a model of shuffled labels has no more than chance skill."""
    skill, skill_max = evidence.skill, limits.chance_skill
    return abs(skill) <= skill_max, f"skill within {skill_max} of chance", f"{skill:+.3f}"


def finite(counts: Mapping[str, int | str], limits: ConvergenceSection) -> tuple[bool, str, str]:  # noqa: ARG001  a Judge
    """Require that every prediction on extreme inputs is a finite number."""
    broken = {case: count for case, count in counts.items() if count != 0}
    observed = "; ".join(f"{case}: {count}" for case, count in broken.items())
    observed = observed or f"{len(counts)} kinds of input, all finite"
    return bool(counts) and not broken, "every prediction is finite", observed


def repeats(evidence: Digests, limits: ConvergenceSection) -> tuple[bool, str, str]:  # noqa: ARG001  a Judge
    """Require that two trainings with one seed give models with equal digests."""
    first, second = evidence.digests
    return first == second, "equal digests", f"{first[:12]} and {second[:12]}"


def beats_baselines(skills: Mapping[str, float], limits: ConvergenceSection) -> tuple[bool, str, str]:
    """Require that the model's skill on held-out rows exceeds that of every baseline by `baseline_margin`."""
    baselines, margin = {name: skill for name, skill in skills.items() if name != "model"}, limits.baseline_margin
    beaten = [skills["model"] - skill >= margin for skill in baselines.values()]
    observed = ", ".join(f"{name} {skill:.3f}" for name, skill in skills.items())
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


def verdict(name: str, evidence: Any, limits: ConvergenceSection) -> Verdict:
    """Return the verdict on one property; `name` is a key of `JUDGES`; `evidence` is None if missing."""
    gate, judge = JUDGES[name]
    if evidence is None:
        return Verdict(gate, Outcome.FAIL, "evidence", "none", "no evidence")
    holds, threshold, observed = judge(evidence, limits)
    return Verdict(gate, Outcome.PASS if holds else Outcome.FAIL, threshold, observed)


def verdicts(evidence: ConvergenceEvidence | None, limits: ConvergenceSection) -> list[Verdict]:
    """Return the verdict on every property; without evidence all fail."""
    return [verdict(name, getattr(evidence, name, None), limits) for name in JUDGES]

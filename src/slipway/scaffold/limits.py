"""Numbers of params.yaml for the new problem, each with the measurement that it comes from.

The template's own limit stays where the new problem keeps well within it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from slipway.metrics import for_task
from slipway.scaffold.distances import ANOTHER
from slipway.scaffold.params_file import Change

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from slipway.metrics import Metric
    from slipway.scaffold.plan import Plan

PRIMARY = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
SPLIT_KEYS = ("split.test_days", "split.test_ratio", "split.test_share")  # of the sample, of a fork, of an older fork
MANY_ROWS = 5000  # of which a fifth is enough to tell two models apart
HEADROOM = 1.5  # times what was measured; the first files are few, and the next will differ more
SAMPLE_ONLY = ("data.suites.weather_drift", "data.suites.seasonal_drift", "data.suites.disagreeing_ratio")
SAMPLE_ONLY += ("data.suites.relation_change",)


def up(value: float) -> float:
    """The next number above with two digits: 0.1234 becomes 0.13."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return float(f"{math.ceil(value / step - 1e-9) * step:.6g}")


def down(value: float) -> float:
    """The next number below with two digits."""
    if value < 0:
        return -up(-value)
    step = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return float(f"{math.floor(value / step + 1e-9) * step:.6g}")


def at_most(default: float, measured: float) -> float:
    """A limit from above."""
    return max(default, up(HEADROOM * measured))


def at_least(default: float, measured: float) -> float:
    """A limit from below."""
    return min(default, down(measured / HEADROOM if measured > 0 else HEADROOM * measured))


def of_plan(plan: Plan, places: Collection[str]) -> dict[str, Change]:
    """What the plan alone says: how much is for testing, and which metric decides.

    `places` are those of params.yaml, whose `split` has another key in the sample than in a fork.
    """
    share, which = (0.2 if plan.rows >= MANY_ROWS else 0.3), "the newest" if plan.time else "drawn by what they hold"
    sums = (
        "relative difference of exported and trained model on any test row; float32 sums of trees near zero reach 2e-5"
    )
    parity = (
        {"export.parity_tolerance": Change("1.0e-4", f"largest {sums}")} if plan.target.task == "regression" else {}
    )
    place = next((key for key in SPLIT_KEYS if key in places), "split.test_ratio")
    return {
        place: Change(share, f"of the labelled rows, {which}; {plan.rows:,} rows are there", "test_ratio"),
        "gates.primary": Change(PRIMARY[plan.target.task], "the metric that decides"),
        **parity,
    }


def of_data(drift: Mapping[str, float], shares: Mapping[str, float]) -> dict[str, Change]:
    """The section `data`, from how the first files differ, and what shares of their rows are special."""
    moved = "the first files reach {:.2f}, and noise {:.2f}"
    noise = drift["noise"]
    changes = {
        "data": Change(None, "checks of new data; measured on the first files, so review it when more have come"),
        "data.contract.unlabeled_ratio": _share(0.2, shares["unlabelled"], "share of rows without a label"),
        "data.contract.duplicate_ratio": _share(
            0.01, shares["duplicates"], "share of rows that repeat another in every column"
        ),
        "data.contract.overlap_days": Change(0, "by which the periods of two files may overlap"),
        "data.contract.gap_days": Change(
            math.ceil(max(7, 2 * shares["gap_days"])),
            f"that may lie between two files; the first have {shares['gap_days']:.0f} between two rows",
        ),
        "data.suites.new_category_ratio": _share(
            0.01, drift["unseen"], "share of rows with a category that the reference has not"
        ),
        "data.suites.null_ratio_increase": _share(0.2, drift["nulls"], "share of missing values above the reference's"),
        "data.suites.duplicate_ratio": _share(
            0.01, drift["repeats"], "share of rows that occur twice, or that the reference has too"
        ),
        "data.suites.conflicting_ratio": _share(
            0.01, drift["conflicts"], "share of rows with equal features and different labels"
        ),
        "data.suites.feature_label_power": Change(
            max(0.5, up((1 + shares["power"]) / 2)),
            f"predictive power score of one column alone; the first files reach {shares['power']:.2f}, a leak 1.0",
        ),
    }
    kinds = {
        "numeric": "Kolmogorov-Smirnov distance of numbers",
        "category": "Cramér's V of categories",
        "label": "the same of the target",
    }
    for kind, words in kinds.items():
        limit = min(ANOTHER, max(at_most(0.25, drift[kind]), up(noise)))
        changes[f"data.suites.{kind}_drift"] = Change(limit, f"{words}; {moved.format(drift[kind], noise)}")
    return changes


def _share(default: float, measured: float, words: str) -> Change:
    return Change(min(1.0, at_most(default, measured)), f"{words}; the first files have {measured:.1%}")


def of_training(evidence: Mapping[str, Any]) -> dict[str, Change]:
    """The sections `model` and `convergence`, from what tests/convergence will measure."""
    fall = _fall(evidence["loss_falls"]["last"], evidence["loss_falls"]["first"])
    learned = _fall(evidence["overfits"]["model"], evidence["overfits"]["dummy"])
    chance = abs(evidence["shuffled"]["skill"])
    skills = evidence["beats_baselines"]
    best = max(skill for name, skill in skills.items() if name != "model")
    lead = skills["model"] - best
    return {
        "model.max_iter": Change(evidence["trees"], "trees; held-out training rows are predicted best with as many"),
        "convergence.train_rows": Change(
            20000, "rows at most; enough to beat the baselines, few enough to train in seconds"
        ),
        "convergence.test_rows": Change(5000, "held-out rows at most"),
        "convergence.loss_fall": Change(
            at_least(0.02, fall), f"least relative fall of the training loss; measured {fall:.2f}"
        ),
        "convergence.overfit_fall": Change(
            at_least(0.5, learned),
            f"how far below the dummy's the loss on the small sample must be; measured {learned:.2f}",
        ),
        "convergence.chance_skill": Change(
            at_most(0.1, chance), f"largest skill that shuffled labels may teach; measured {chance:.2f}"
        ),
        "convergence.baseline_margin": Change(
            _lead(0.01, lead),
            f"least lead in skill over each baseline; measured {skills['model']:.3f} against {best:.3f}",
        ),
    }


def _fall(after: float, before: float) -> float:
    return (before - after) / before if before > 0 else 0.0


def _lead(default: float, measured: float) -> float:
    """A lead that is asked for: the default where it is twice that, else one that was lost already is allowed for."""
    return default if measured >= 2 * default > 0 else down(min(measured, 0) - max(0.02, abs(measured) / 2))


def of_gates(plan: Plan, evidence: Mapping[str, Any]) -> dict[str, Change]:
    """The section `gates`, and the probe of the labels, from the first model beside the baselines."""
    metric = for_task(plan.target.task)[PRIMARY[plan.target.task]]
    value = {name: scores[metric.name] for name, scores in evidence["metrics"].items()}
    linear = evidence["gains"]["linear"]
    margin = up((linear["high"] - linear["low"]) / 2)
    behind = min(gain["low"] for gain in evidence["gains"].values())
    kind = "minimum" if metric.higher_is_better else "maximum"
    gap = evidence["calibration"]
    return {
        "gates.margin": Change(
            margin,
            f"a loss of {metric.name} smaller than this is acceptable; {evidence['rows']:,} test rows tell no less",
        ),
        "gates.segment_margin": Change(
            up(5 * margin), "the same for one segment, where rows are fewer and intervals wider"
        ),
        "gates.calibration": Change(
            at_most(0.12, gap), f"mean gap of predicted and observed, see docs/checks.md; the first model has {gap:.2f}"
        ),
        "gates.floor": Change(
            _floor(value, metric),
            f"absolute {kind} of the primary metric; half-way from guessing, {value['dummy']:.3g}, to the first model,"
            f" {value['model']:.3g}, or guessing, if that is as good",
        ),
        "gates.baseline_margin": Change(
            0.0 if behind > 0 else down(HEADROOM * behind),
            f"least lead over each baseline, beyond doubt; the first model has {linear['value']:+.3g} over the linear",
        ),
        "data.suites.label_skill": Change(
            at_least(0.1, evidence["probe"]),
            f"twice the ROC AUC of a linear model, less one; the first files have {evidence['probe']:.2f} or more",
        ),
    }


def _floor(value: Mapping[str, float], metric: Metric) -> float:
    """Half-way from guessing to the first model; a model that is no better than guessing is not let through."""
    if metric.gain(value["model"] - value["dummy"]) <= 0:
        return (up if metric.higher_is_better else down)(value["dummy"])
    return (down if metric.higher_is_better else up)((value["model"] + value["dummy"]) / 2)

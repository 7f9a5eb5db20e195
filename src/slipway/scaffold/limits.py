"""Parameters for the new problem, each with the measurement that it derives from.

The template's limit stays where the new problem is well within it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slipway.evaluation.metrics import for_task
from slipway.scaffold.distances import DISJOINT_DISTANCE_MIN
from slipway.scaffold.params_file import Change
from slipway.settings.training import CardSection, OperatingPointSection

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from slipway.evaluation.metrics import Metric
    from slipway.scaffold.measurements import ComparisonMeasurement, ProbeMeasurement, TrainingMeasurement
    from slipway.scaffold.plan import Plan

PRIMARY = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
SPLIT_KEYS = ("split.test_days", "split.test_ratio", "split.test_share")  # of the sample, of a fork, of an older fork
LARGE_TABLE_ROWS = 5000  # of which a fifth is enough to distinguish two models
CONVERGENCE_ROWS_MAX = 20_000
CONVERGENCE_CELLS_MAX = 2_000_000  # values of these rows: the time of a training grows with rows and columns
RELATION_CELLS_MAX = 500_000  # values that each model of a column is fitted on, if it read all columns
RELATION_PARTNERS = 12
WIDE_LEAVES = 15
BASELINE_CELLS_MAX = 5_000_000  # values that the linear baseline is fitted on
IMPORTANCE_ROWS = 5000  # each column takes a prediction of these rows
HEADROOM_FACTOR = 1.5  # of the measured value; the first files are few, and later ones will differ more
DIGITS_MAX = 9  # significant digits of a limit
GUESS_DIGITS = 3  # of a floor next to guessing, which differs from it in the second digit
SAMPLE_ONLY = (
    "data.suites.weather_drift",
    "data.suites.seasonal_drift",
    "data.suites.disagreeing_ratio",
    "data.suites.relation_change",
    "operating_point",
    *(f"operating_point.{key}" for key in OperatingPointSection.model_fields),
)
EMPTY = '""'


def rounded_up(value: float, digits: int = 2) -> float:
    """Return `value` rounded up to significant `digits`: 0.1234 becomes 0.13."""
    if value < 0:
        return -rounded_down(-value, digits)
    exponent = _exponent(value, digits)
    return float(f"{math.ceil(value / 10.0**exponent - 1e-9)}e{exponent}")


def rounded_down(value: float, digits: int = 2) -> float:
    """Return `value` rounded down to significant `digits`."""
    if value < 0:
        return -rounded_up(-value, digits)
    exponent = _exponent(value, digits)
    return float(f"{math.floor(value / 10.0**exponent + 1e-9)}e{exponent}")


def _exponent(value: float, digits: int) -> int:
    """Return the exponent of the last of the significant `digits`."""
    return math.floor(math.log10(value)) - digits + 1 if value > 0 else 0


def upper_limit(default: float, measured: float) -> float:
    """Return an upper limit: `default`, or the measured value with headroom."""
    return max(default, rounded_up(HEADROOM_FACTOR * measured))


def lower_limit(default: float, measured: float) -> float:
    """Return a lower limit: `default`, or the measured value with headroom."""
    return min(default, rounded_down(measured / HEADROOM_FACTOR if measured > 0 else HEADROOM_FACTOR * measured))


def of_plan(plan: Plan, places: Collection[str]) -> dict[str, Change]:
    """Return the parameters that depend on the plan only: the split and the primary metric.

    `places` are the keys of params.yaml, whose section `split` differs between the sample and a fork.
    """
    ratio, which = (
        (0.2 if plan.rows >= LARGE_TABLE_ROWS else 0.3),
        "the newest" if plan.time else "chosen by a hash of their features",
    )
    tolerance = Change(
        "1.0e-4",
        "largest relative difference between exported and trained model on any test row; float32 sums of trees near"
        " zero reach 2e-5",
    )
    parity = {"export.parity_tolerance": tolerance} if plan.target.task == "regression" else {}
    place = next((key for key in SPLIT_KEYS if key in places), "split.test_ratio")
    columns = len(plan.features)
    rows = min(CONVERGENCE_ROWS_MAX, int(rounded_down(CONVERGENCE_CELLS_MAX / columns)))
    return {
        "convergence.train_rows": Change(
            rows, "maximum rows; enough to beat the baselines, few enough to train in seconds"
        ),
        **(_wide(columns) if plan.is_wide else {}),
        place: Change(ratio, f"fraction of the labeled rows, {which}; the table has {plan.rows:,} rows", "test_ratio"),
        "gates.primary": Change(PRIMARY[plan.target.task], "the metric that decides"),
        **_empty_card(places),
        **parity,
    }


def _empty_card(places: Collection[str]) -> dict[str, Change]:
    """Return the keys of the cards without the sample's values; their comments describe what belongs there."""
    keys = {f"card.{name}": field.description for name, field in CardSection.model_fields.items()}
    return {key: Change(EMPTY, str(text)) for key, text in keys.items() if key in places}


def _wide(columns: int) -> dict[str, Change]:
    """Return the parameters of a wide table."""
    fit_rows = int(rounded_down(RELATION_CELLS_MAX / columns))
    reason = f"test rows on which each of the {columns} columns is shuffled; the order of the columns is stable from"
    return {
        "model.max_leaf_nodes": Change(
            WIDE_LEAVES,
            f"leaves; each is split after a search of all {columns} columns, so more take proportionally longer",
        ),
        "data.relations.partners": Change(
            RELATION_PARTNERS, f"columns that predict a column, the most informative of {columns}"
        ),
        "evaluate.baseline_rows": Change(
            int(rounded_down(BASELINE_CELLS_MAX / columns)),
            f"training rows of the linear baseline, with {columns} columns",
        ),
        "data.relations.fit_rows": Change(
            fit_rows, f"rows of each fit; few, because each of {columns} columns has its own"
        ),
        "evaluate.importance_rows": Change(IMPORTANCE_ROWS, f"{reason} {IMPORTANCE_ROWS:,}"),
    }


def of_data(drift: Mapping[str, float], rates: Mapping[str, float]) -> dict[str, Change]:
    """Return the section `data`, from the drift between the first files and the rates of special rows in them."""
    measured = "the first files reach {:.2f}, noise {:.2f}"
    noise = drift["noise"]
    changes = {
        "data": Change(None, "checks of new data; measured on the first files, so review it after more files"),
        "data.contract.unlabeled_ratio": _ratio(0.2, rates["unlabeled"], "fraction of rows without a label"),
        "data.contract.duplicate_ratio": _ratio(
            0.01, rates["duplicates"], "fraction of rows that repeat another row in every column"
        ),
        "data.contract.overlap_days": Change(0, "days by which the periods of two files may overlap"),
        "data.contract.gap_days": Change(
            math.ceil(max(7, 2 * rates["gap_days"])),
            f"days between the periods of two files; the first files have {rates['gap_days']:.0f} between two rows",
        ),
        "data.suites.new_category_ratio": _ratio(
            0.01, drift["unseen"], "fraction of rows with a category that is not in the reference"
        ),
        "data.suites.null_ratio_increase": _ratio(
            0.2, drift["nulls"], "increase of the fraction of missing values over the reference"
        ),
        "data.suites.duplicate_ratio": _ratio(
            0.01, drift["repeats"], "fraction of rows that occur twice or are in the reference too"
        ),
        "data.suites.conflicting_ratio": _ratio(
            0.01, drift["conflicts"], "fraction of rows with equal features and different labels"
        ),
        "data.suites.feature_label_power": Change(
            max(0.5, rounded_up((1 + rates["power"]) / 2)),
            f"predictive power score of a single column; the first files reach {rates['power']:.2f}, a leak 1.0",
        ),
    }
    kinds = {
        "numeric": "Kolmogorov-Smirnov distance of numbers",
        "category": "Cramér's V of categories",
        "label": "the same for the target",
    }
    for kind, name in kinds.items():
        limit = min(DISJOINT_DISTANCE_MIN, max(upper_limit(0.25, drift[kind]), rounded_up(noise)))
        changes[f"data.suites.{kind}_drift"] = Change(limit, f"{name}; {measured.format(drift[kind], noise)}")
    return changes


def _ratio(default: float, measured: float, name: str) -> Change:
    return Change(min(1.0, upper_limit(default, measured)), f"{name}; the first files have {measured:.1%}")


def of_training(measured: TrainingMeasurement) -> dict[str, Change]:
    """Return the sections `model` and `convergence`, from the evidence that tests/convergence will measure."""
    evidence = measured.convergence
    fall = _fall(evidence.loss_falls.last, evidence.loss_falls.first)
    learned = _fall(evidence.overfits.model, evidence.overfits.dummy)
    chance = abs(evidence.shuffled.skill)
    skills = evidence.beats_baselines
    best = max(skill for name, skill in skills.items() if name != "model")
    lead = skills["model"] - best
    return {
        "model.max_iter": Change(measured.trees, "trees; the number with the lowest loss on held-out training rows"),
        "convergence.test_rows": Change(5000, "maximum held-out rows"),
        "convergence.loss_fall": Change(
            lower_limit(0.02, fall), f"minimum relative decrease of the training loss; measured {fall:.2f}"
        ),
        "convergence.overfit_fall": Change(
            lower_limit(0.5, learned),
            f"minimum relative distance of the loss on the small sample below the dummy's; measured {learned:.2f}",
        ),
        "convergence.chance_skill": Change(
            upper_limit(0.1, chance),
            f"maximum skill of a model that is trained on shuffled labels; measured {chance:.2f}",
        ),
        "convergence.baseline_margin": Change(
            _lead(0.01, lead),
            f"minimum lead in skill over each baseline; measured {skills['model']:.3f} against {best:.3f}",
        ),
    }


def _fall(after: float, before: float) -> float:
    return (before - after) / before if before > 0 else 0.0


def _lead(default: float, measured: float) -> float:
    """Return the required lead: `default` where the measured one is twice that, else one below the measurement."""
    return default if measured >= 2 * default > 0 else rounded_down(min(measured, 0) - max(0.02, abs(measured) / 2))


def of_gates(plan: Plan, measured: ComparisonMeasurement, probe: ProbeMeasurement) -> dict[str, Change]:
    """Return the section `gates` and the limit of the label probe, from the first model and the baselines."""
    metric = for_task(plan.target.task)[PRIMARY[plan.target.task]]
    value = {name: scores[metric.name] for name, scores in measured.metrics.items()}
    linear = measured.gains["linear"]
    margin = rounded_up((linear.high - linear.low) / 2)
    lead = abs(value["model"] - value["dummy"])
    wide = f"; as wide as the whole lead over guessing, {lead:.2g}" if margin >= lead else ""
    behind = min(gain.low for gain in measured.gains.values())
    kind = "minimum" if metric.higher_is_better else "maximum"
    gap = measured.calibration
    return {
        "gates.margin": Change(
            margin,
            f"acceptable loss of {metric.name}; {measured.rows:,} test rows cannot resolve a smaller one{wide}",
        ),
        "gates.segment_margin": Change(
            rounded_up(5 * margin),
            "the same for one segment, which has fewer rows and wider intervals"
            + ("; as wide as the whole lead over guessing" if rounded_up(5 * margin) >= lead else ""),
        ),
        "gates.calibration": Change(
            upper_limit(0.12, gap), f"mean gap between predicted and observed rate; the first model has {gap:.2f}"
        ),
        "gates.floor": Change(
            _floor(value, metric),
            f"absolute {kind} of the primary metric; halfway from guessing, {value['dummy']:.3g}, to the first model,"
            f" {value['model']:.3g}, or just better than guessing if that is as good",
        ),
        "gates.baseline_margin": Change(
            0.0 if behind > 0 else rounded_down(HEADROOM_FACTOR * behind),
            f"minimum significant gain over each baseline; the first model has {linear.value:+.3g} over linear",
        ),
        "data.suites.label_skill": Change(
            lower_limit(0.1, probe.skill),
            f"minimum of 2 * ROC AUC - 1 of a linear model; the first files have {probe.skill:.2f} or more",
        ),
    }


def _floor(value: Mapping[str, float], metric: Metric) -> float:
    """Return a rounded value halfway from guessing to the first model. Guessing itself never reaches the floor."""
    model, guess = value["model"], value["dummy"]
    if metric.gain(model - guess) <= 0:
        return _better(guess, metric)
    middle, rounded = (model + guess) / 2, rounded_down if metric.higher_is_better else rounded_up
    floors = (rounded(middle, digits) for digits in range(2, DIGITS_MAX))
    return next((floor for floor in floors if metric.gain(floor - guess) > 0), middle)


def _better(guess: float, metric: Metric) -> float:
    """Return a value just better than guessing, in two digits or more."""
    sign = 1 if metric.higher_is_better else -1
    step = 10.0 ** (math.floor(math.log10(abs(guess))) - 1) if guess else 0.01
    return float(f"{guess + sign * step:.{GUESS_DIGITS}g}")

"""Guesses of the cause of a finding, where the values show it, such as a change of scale and offset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway import figures
from slipway.batch.batch_statistics import moved_gains
from slipway.batch.label_statistics import copied, ranks
from slipway.batch.statistic_values import StatisticKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from slipway.batch.batch_reference import BatchReference
    from slipway.batch.column_models import Measured

    Guess: TypeAlias = Callable[[BatchReference, Measured, str], str]

CONSTANT_RATIO_MIN = 0.95
FITS_ERROR_MAX = 2.0  # mean errors of the reference, up to which a guess explains the values
FITS_GAIN_MIN = 2.0  # factor by which a guess lowers the mean error
SAME_SHAPE_MAX = 0.1  # distance of distributions
SWAPPED_SHAPE_MIN = 0.3  # distance to its own column, from which a swapped column is distinguished
UNCORRELATED_MAX = 0.3  # fraction of the reference's correlation that permuted rows retain
MIXTURE_RATIO_MIN = 0.01  # fraction of rows with outliers, up to which it is no mixture; the reference has 0.2%
MIXTURE_RATIO_MAX = 0.7  # fraction of rows with outliers, above which it is no mixture
EXCHANGED_RATIO_MIN = 0.5  # fraction of rows of one category that resemble the other
CODE_ROWS_MIN = 20
LABEL_CORRELATION_MIN = float(np.arctanh(0.7))  # with the label, from which a column may be the label
LABEL_RISE_MIN = 0.3  # of Fisher's z, above any window


def guess(reference: BatchReference, measured: Measured, name: str) -> str:
    """Return the guessed cause for the column `name`; empty where no guess explains the values, and for the time."""
    if name not in reference.profiles:
        return ""
    column = reference.profiles[name]
    values = measured.rows.features[name]
    present = values[column.codes(values) > 0]
    if len(present) and present.value_counts(normalize=True).iloc[0] >= CONSTANT_RATIO_MIN:
        return "a constant value"
    if column.kind == "category":
        guesses: Sequence[Guess] = (_of_label, swapped_category, _exchanged)
    else:
        guesses = (_swapped, _of_label, _moved, _rescaled, _permuted, _mixed)
    return next((text for guessed in guesses if (text := guessed(reference, measured, name))), "")


def _swapped(reference: BatchReference, measured: Measured, name: str) -> str:
    """Return the column whose values these are, if it has the values of this one."""
    numbers = [other for other, column in reference.profiles.items() if column.kind == "number" and other != name]
    own = _distance(reference, measured, name, name)
    for other in numbers if own > SWAPPED_SHAPE_MIN else ():
        both = max(_distance(reference, measured, name, other), _distance(reference, measured, other, name))
        if both < SAME_SHAPE_MAX < SWAPPED_SHAPE_MIN < _distance(reference, measured, other, other):
            return f"a swap with `{other}`"
    return ""


def swapped_category(reference: BatchReference, measured: Measured, name: str) -> str:
    """Return the category column with the same categories, if both follow from the others once they are swapped."""
    own = reference.profiles.get(name)
    if own is None or own.kind != "category":
        return ""
    for other, column in reference.profiles.items():
        if other != name and column.kind == "category" and set(column.bins) == set(own.bins):
            features = measured.rows.features
            swapped = measured.rows.assigned(name, features[other].to_numpy())
            swapped = swapped.assigned(other, features[name].to_numpy())
            places = [list(reference.profiles).index(column) for column in (name, other)]
            before, after = (np.nanmean(side.errors[:, places]) for side in (measured, reference.measure(swapped)))
            if after * FITS_GAIN_MIN < before:
                return f"a swap with `{other}`"
    return ""


def _of_label(reference: BatchReference, measured: Measured, name: str) -> str:
    """Return that the column follows the label far more closely than in any window."""
    key = StatisticKey("copies", name)
    if key not in reference.series:
        return ""
    place, label = (list(reference.profiles).index(column) for column in (name, problem.TARGET))
    now = copied(measured.codes[:, place], ranks(measured.codes[:, label]), reference.profiles[name].kind).value
    then = max(window.value for window in reference.series[key])
    if now < max(LABEL_CORRELATION_MIN, then + LABEL_RISE_MIN):
        return ""
    return f"the label: correlation {np.tanh(now):.2f}, in the reference at most {np.tanh(then):.2f}"


def _distance(reference: BatchReference, measured: Measured, values: str, column: str) -> float:
    """Return how far the batch's values of one column are from the nearest window of another."""
    profile = reference.profiles[column]
    now = profile.fractions(profile.codes(measured.rows.features[values]))
    return min(profile.distance(now, shape[column]) for shape in reference.shapes)


def _moved(reference: BatchReference, measured: Measured, name: str) -> str:
    place = list(reference.profiles).index(name)
    gains = moved_gains(measured, reference.scales, place, name)
    best = min(gains, key=lambda distance: gains[distance].value, default=0)
    if not best or np.exp(gains[best].value) > 1 / FITS_GAIN_MIN:
        return ""
    rows, side = figures.count(abs(best), "row"), "early" if best > 0 else "late"
    return f"a join that is {rows} too {side}: moved back, the error falls to {np.exp(gains[best].value):.0%}"


def _rescaled(reference: BatchReference, measured: Measured, name: str) -> str:
    """Return scale and offset of the values against their predictions, if these explain the error."""
    place = list(reference.profiles).index(name)
    values = measured.rows.features[name].to_numpy(dtype=float)
    both = ~np.isnan(values) & ~np.isnan(measured.errors[:, place])
    values, predicted = values[both], measured.predictions[both, place]
    if len(values) < CODE_ROWS_MIN or not predicted.std() or not values.std():
        return ""
    scale, offset = np.polyfit(predicted, values, 1)
    if abs(scale) < 1e-6:
        return ""
    unit = reference.scales.error[place]
    before, after = (
        np.abs(values - predicted).mean() / unit,
        np.abs((values - offset) / scale - predicted).mean() / unit,
    )
    if after > FITS_ERROR_MAX or before < FITS_GAIN_MIN * after:
        return ""
    return f"a change of scale and offset, {scale:.3g} * expected {'+' if offset >= 0 else '-'} {abs(offset):.3g}"


def _permuted(reference: BatchReference, measured: Measured, name: str) -> str:
    place = list(reference.profiles).index(name)
    then = _correlation(reference.measured, place, name)
    now = _correlation(measured, place, name)
    if _distance(reference, measured, name, name) > SAME_SHAPE_MAX or abs(now) > UNCORRELATED_MAX * then:
        return ""
    return "values of other rows, as a join by the wrong key gives"


def _correlation(measured: Measured, place: int, name: str) -> float:
    values, predicted = measured.rows.features[name].to_numpy(dtype=float), measured.predictions[:, place]
    both = ~np.isnan(values) & ~np.isnan(predicted) & ~np.isnan(measured.errors[:, place])
    if both.sum() < CODE_ROWS_MIN or not values[both].std() or not predicted[both].std():
        return 0.0
    return float(np.corrcoef(values[both], predicted[both])[0, 1])


def _mixed(reference: BatchReference, measured: Measured, name: str) -> str:
    place = list(reference.profiles).index(name)
    scaled = np.abs(measured.errors[:, place]) / reference.scales.error[place]
    scaled = scaled[~np.isnan(scaled)]
    outlying = float((scaled > reference.scales.outlier[place]).mean()) if len(scaled) else 0.0
    if not MIXTURE_RATIO_MIN < outlying < MIXTURE_RATIO_MAX:
        return ""
    return f"a mixture: about {outlying:.0%} of the rows have another source"


def _exchanged(reference: BatchReference, measured: Measured, name: str) -> str:
    """Return two categories whose rows look like each other's."""
    place = list(reference.profiles).index(name)
    model, read = reference.models.models[place], reference.models.others[place]
    if model is None:
        return ""
    table = measured.rows.table(reference.profiles)
    observed, predicted = table[:, place], model.trees.predict(table[:, read])
    resembled = {}
    for code in np.unique(observed[~np.isnan(observed)]):
        rows = observed == code
        other, count = _mode(predicted[rows])
        if rows.sum() >= CODE_ROWS_MIN and other != code and count >= EXCHANGED_RATIO_MIN * rows.sum():
            resembled[code] = other
    pairs = [(code, other) for code, other in resembled.items() if resembled.get(other) == code and code < other]
    labels = reference.profiles[name].bins
    return "; ".join(f"`{labels[int(a) - 2]}` and `{labels[int(b) - 2]}` exchanged" for a, b in pairs)


def _mode(values: np.ndarray) -> tuple[float, int]:
    codes, counts = np.unique(values, return_counts=True)
    best = int(np.argmax(counts))
    return float(codes[best]), int(counts[best])

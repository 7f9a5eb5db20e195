"""Explanations of predictions: exact for known models, additive, and with standard errors that cover their error."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest

from slipway.explainer import CHUNK_ROWS, Explainer

KINDS = {"a": "number", "b": "number", "c": "number", "kind": "category"}
ROWS = 60


class Model:
    """Model whose prediction is a function of the columns, which counts the rows that it has scored."""

    def __init__(self, function: Any, task: str = "regression") -> None:
        columns = [{"name": name, "kind": kind} for name, kind in KINDS.items()]
        self.signature = {"task": task, "columns": columns, "classes": ["x", "y"]}
        self._function = function
        self.calls: list[int] = []

    def predict(self, columns: Any) -> np.ndarray:
        self.calls.append(len(columns["a"]))
        numbers = {name: np.asarray(columns[name], dtype=float) for name in "abc"}
        is_low = np.array([value == "low" for value in columns["kind"]], dtype=float)
        return self._function(*numbers.values(), is_low)


def linear(a, b, c, is_low):
    return 2 * a - 3 * b + 0 * c + 5 * is_low


def pairs(a, b, c, is_low):
    return a * b - 2 * b * c + c * is_low + a


def triples(a, b, c, is_low):
    return np.tanh(a * b * c) + a * b * is_low


@pytest.fixture(scope="module")
def background() -> dict[str, list[Any]]:
    random = np.random.default_rng(5)
    numbers = {name: random.normal(size=ROWS).tolist() for name in "abc"}
    return numbers | {"kind": random.choice(["low", "high"], ROWS).tolist()}


ROW = {"a": [1.5], "b": [-0.5], "c": [2.0], "kind": ["low"]}


def exact(model: Model, background: dict[str, list[Any]], row: dict[str, list[Any]]) -> np.ndarray:
    """Return the Shapley values by their definition, over every coalition of columns."""

    def worth(coalition: frozenset[str]) -> Any:
        mixed = {name: row[name] * ROWS if name in coalition else background[name] for name in KINDS}
        return model.predict(mixed).mean(axis=0)

    def value(name: str) -> Any:
        others = [other for other in KINDS if other != name]
        sizes = range(len(others) + 1)
        weights = [factorial(size) * factorial(len(others) - size) / factorial(len(KINDS)) for size in sizes]
        return sum(
            weights[size] * (worth(frozenset({*coalition, name})) - worth(frozenset(coalition)))
            for size in sizes
            for coalition in combinations(others, size)
        )

    return np.array([value(name) for name in KINDS])


@pytest.mark.parametrize("function", [linear, pairs])
def test_a_model_of_columns_and_pairs_is_explained_exactly(background, function):
    """A walk and its antithetic one share the gain of a pair of columns as Shapley values do, from any row."""
    model = Model(function)
    explanation = Explainer(model, background, 1).explain(ROW)
    assert np.allclose(exact(model, background, ROW), explanation.contributions[:, 0], atol=1e-5)  # inputs are float32


def test_a_larger_interaction_is_explained_within_its_standard_error(background):
    model = Model(triples)
    explanation = Explainer(model, background, 8).explain(ROW)
    error = explanation.contributions[:, 0] - exact(model, background, ROW)
    assert np.all(abs(error) <= 3 * explanation.standard_errors[:, 0])
    assert np.corrcoef(exact(model, background, ROW), explanation.contributions[:, 0])[0, 1] >= 0.99


@pytest.mark.parametrize("walks", [1, 3])
def test_contributions_add_up_to_prediction_minus_base(background, walks):
    model = Model(triples)
    explanation = Explainer(model, background, walks).explain(ROW)
    assert model.predict(ROW) == pytest.approx(explanation.prediction, abs=1e-6)
    assert model.predict(background).mean() == pytest.approx(explanation.base[0], abs=1e-6)
    assert explanation.contributions.sum() == pytest.approx((explanation.prediction - explanation.base)[0], abs=1e-12)


def test_each_class_is_explained(background):
    model = Model(lambda *columns: np.stack([linear(*columns), pairs(*columns)], axis=1), "multiclass")
    explanation = Explainer(model, background, 1).explain(ROW)
    assert ((4, 2), (4, 2), (2,)) == (
        explanation.contributions.shape,
        explanation.standard_errors.shape,
        explanation.base.shape,
    )
    assert np.allclose(exact(model, background, ROW), explanation.contributions, atol=1e-5)


def test_the_standard_error_of_a_linear_model_is_that_of_the_mean_of_the_background(background):
    explanation = Explainer(Model(linear), background, 1).explain(ROW)
    expected = [2 * np.std(background["a"], ddof=1), 3 * np.std(background["b"], ddof=1), 0]
    assert np.allclose(np.array(expected) / np.sqrt(ROWS), explanation.standard_errors[:3, 0], atol=1e-5)


def test_a_column_without_background_keeps_the_value_of_the_row_and_has_no_contribution(background):
    model = Model(pairs)
    others = {name: values for name, values in background.items() if name != "b"}
    explanation = Explainer(model, others, 1).explain(ROW)
    fixed = {**background, "b": ROW["b"] * ROWS}
    assert ("a", "c", "kind") == explanation.columns
    assert model.predict(fixed).mean() == pytest.approx(explanation.base[0], abs=1e-5)
    assert explanation.contributions.sum() == pytest.approx((explanation.prediction - explanation.base)[0], abs=1e-12)


def test_contributions_have_the_names_of_their_columns_in_any_order(background):
    """The background may have another order than the model, and columns that the model does not read."""
    turned = {"unread": [1.0] * ROWS} | {name: background[name] for name in reversed(KINDS)}
    first, second = (Explainer(Model(linear), rows, 1).explain(ROW) for rows in (background, turned))
    assert tuple(KINDS) == second.columns
    assert np.allclose(first.contributions, second.contributions, atol=1e-5)


def test_a_single_column_and_missing_values(background):
    model = Model(lambda a, b, *_: np.nan_to_num(a) + b)
    (contribution,) = Explainer(model, {"a": [None, 3.0]}, 1).explain({**ROW, "a": [2.0]}).contributions[:, 0]
    assert contribution == pytest.approx(0.5)


def test_the_mean_prediction_of_rows_is_explained_by_the_difference_of_the_columns(background):
    """A linear model has the contributions coefficient times difference of the means, with the error of the pairs."""
    rows = {name: [value + 1 for value in background[name]] for name in "ab"} | {"c": background["c"]}
    rows |= {"kind": ["low"] * ROWS}
    shuffled = {name: [values[-1], *values[:-1]] for name, values in rows.items()}
    explanation = Explainer(Model(linear), background, 1).explain(shuffled)
    low = sum(kind == "low" for kind in background["kind"]) / ROWS
    assert np.allclose([2, -3, 0, 5 * (1 - low)], explanation.contributions[:, 0], atol=1e-5)
    steps = 2 * (np.array(shuffled["a"]) - background["a"])
    assert steps.std(ddof=1) / np.sqrt(ROWS) == pytest.approx(explanation.standard_errors[0, 0], abs=1e-5)
    assert explanation.contributions.sum() == pytest.approx((explanation.prediction - explanation.base)[0], abs=1e-12)


@pytest.mark.parametrize("count", [7, ROWS + 5])
def test_fewer_rows_repeat_and_of_more_the_first_are_explained(background, count):
    row = {name: [values[place % ROWS] for place in range(count)] for name, values in background.items()}
    explanation = Explainer(Model(pairs), background, 1).explain(row)
    chosen = [place % min(count, ROWS) for place in range(ROWS)]
    expected = Model(pairs).predict({name: [values[place] for place in chosen] for name, values in row.items()}).mean()
    assert expected == pytest.approx(explanation.prediction[0], abs=1e-5)
    assert explanation.contributions.sum() == pytest.approx((explanation.prediction - explanation.base)[0], abs=1e-12)


def test_the_same_row_has_the_same_explanation(background):
    first, second = (Explainer(Model(triples), background, 1).explain(ROW) for _ in range(2))
    assert first.contributions.tolist() == second.contributions.tolist()


def test_a_call_scores_a_limited_number_of_rows(background):
    model = Model(linear)
    Explainer(model, background, 40).explain(ROW)
    assert max(model.calls) <= CHUNK_ROWS
    assert sum(model.calls) == ROWS + 1 + ROWS * 40 * 2 * 3


def test_nan_is_an_error(background):
    model = Model(lambda a, *_: np.where(a == 1.5, np.nan, a))
    with pytest.raises(ValueError, match="NaN or infinity"):
        Explainer(model, background, 1).explain(ROW)

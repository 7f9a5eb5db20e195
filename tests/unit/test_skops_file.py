"""Tests of skops files: equal bytes for equal estimators, and no untrusted types."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from slipway.errors import SettingError
from slipway.pipeline import skops_file

TREES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
X = np.random.default_rng(1).normal(size=(300, 3))
Y = (X[:, 0] > 0).astype(int)


def _boosted():
    return make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=5, random_state=1)).fit(X, Y)


@pytest.mark.parametrize("make", [_boosted, lambda: RandomForestRegressor(5, random_state=1).fit(X, Y)])
def test_the_same_training_gives_the_same_bytes(make, tmp_path):
    for name in ("first", "second"):
        skops_file.dump(make(), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_loaded_estimator_returns_the_same_predictions(tmp_path):
    model = _boosted()
    skops_file.dump(model, tmp_path / "model")
    assert np.array_equal(model.predict_proba(X), skops_file.load(tmp_path / "model", [TREES]).predict_proba(X))


def test_an_untrusted_type_is_rejected_by_name(tmp_path):
    skops_file.dump(_boosted(), tmp_path / "model")
    with pytest.raises(SettingError, match="TreePredictor"):
        skops_file.load(tmp_path / "model", [])

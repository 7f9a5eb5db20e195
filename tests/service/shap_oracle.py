"""SHAP's interventional TreeExplainer for a model that is trained again; prints base, predictions and values as JSON.

`python shap_oracle.py TABLES`, in an environment with shap, which the repository does not install. TABLES has the
arrays `train`, `target`, `background` and `rows`.
"""

import json
import sys

import numpy as np
import shap
from sklearn.ensemble import HistGradientBoostingClassifier

tables = np.load(sys.argv[1])
model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(tables["train"], tables["target"])
explainer = shap.TreeExplainer(
    model, tables["background"], feature_perturbation="interventional", model_output="probability"
)
values = explainer.shap_values(tables["rows"])
print(
    json.dumps(
        {
            "base": float(explainer.expected_value),
            "predictions": model.predict_proba(tables["rows"])[:, 1].tolist(),
            "values": values.tolist(),
        }
    )
)

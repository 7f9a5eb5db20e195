"""Converters of LightGBM and XGBoost, which onnxmltools adds to skl2onnx where the project has installed it.

The release then installs ONNX Runtime only, instead of the library of the model. What these converters get wrong is
detected by the parity of the export, like everything else.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

OPSETS = {"": 21, "ai.onnx.ml": 3}
"""Opsets of a graph. skl2onnx 1.20, onnxmltools 1.16 and ONNX Runtime 1.31 support both."""
CONVERTERS = {
    "lightgbm": ("onnxmltools.convert.lightgbm.operator_converters.LightGbm", "convert_lightgbm", "LightGbm"),
    "xgboost": ("onnxmltools.convert.xgboost.operator_converters.XGBoost", "convert_xgboost", "XGBoost"),
}
"""Module and name of the converter, and the prefix of its operators, by library."""
INSTALL = "uv add --group problem onnxmltools && dvc repro --force export"
"""The stage has to be forced, because DVC does not track what is installed."""
CLASSIFIER_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}


class ConverterError(Exception):
    """A converter is not installed."""


def register(estimator: BaseEstimator) -> None:
    """Make skl2onnx convert the last step of `estimator` if it is of a library in CONVERTERS.

    Raises ConverterError without onnxmltools.
    """
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator
    from sklearn.base import is_classifier

    last = getattr(estimator, "steps", [("", estimator)])[-1][1]
    library = type(last).__module__.split(".")[0]
    if library not in CONVERTERS:
        return
    if find_spec("onnxmltools") is None:
        raise ConverterError(f"no converter for {library}; run `{INSTALL}`")
    module, name, prefix = CONVERTERS[library]
    kind = "classifier" if is_classifier(last) else "regressor"
    update_registered_converter(
        type(last),
        f"{prefix}{type(last).__name__}",
        getattr(shape_calculator, f"calculate_linear_{kind}_output_shapes"),
        getattr(import_module(module), name),
        options=CLASSIFIER_OPTIONS if kind == "classifier" else None,
    )

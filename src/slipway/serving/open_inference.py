"""Open Inference Protocol (KServe v2) over HTTP, as a second form of the same rows and predictions.

A request has one tensor for each column or, where every column is a number, may have a single one of shape [rows,
columns]. It is converted to rows as columns, which the contract then validates, so both forms accept the same rows. No
extension is supported, such as tensors in binary.

Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from slipway.schema.fields import fields
from slipway.serving.contract import refuse_repeated_keys
from slipway.serving.refusal import KEY_CHARACTERS_MAX, RefusedError, detail, violation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

ROOT = "/v2"
SERVER = "slipway"
PLATFORMS = {"onnx": "onnx_onnxv1", "skops": "sklearn_skops"}
"""Platform in the metadata, by format of the model."""
DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "string": "BYTES"}
"""Type of the tensor of a column, by type of the field; a number may also have another numeric type."""
WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
PYTHON_TYPES: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "BOOL": (bool,),
        "BYTES": (str,),
        **dict.fromkeys(WHOLE, (int,)),
        **dict.fromkeys(("FP16", "FP32", "FP64"), (int, float)),
    }
)
"""Types of the values of a tensor in JSON, by its type. null is a missing value: JSON has no NaN."""
NUMERIC = frozenset({*WHOLE, "FP16", "FP32", "FP64"})
PREDICTIONS, CLASSES = "predictions", "classes"
"""Names of the output tensors; only a model of several classes has the second."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)  # `_refuse_unknown_keys` reports the first; pydantic, all


class _Input(_Strict):
    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)]
    datatype: Literal[tuple(PYTHON_TYPES)]  # type: ignore[valid-type]  # a list of values
    parameters: dict[str, Any] = {}
    data: list[Any]


class _Output(_Strict):
    name: str
    parameters: dict[str, Any] = {}


class _Request(_Strict):
    model_name: str | None = None
    """Not in the specification, but sent by KServe's client; the path names the model."""
    model_version: str | None = None
    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: Annotated[list[_Input], Field(min_length=1), FailFast()]
    outputs: Annotated[list[_Output], FailFast()] = []


_REQUEST = TypeAdapter(_Request).validator


@dataclass(frozen=True)
class InferenceRequest:
    """A request as rows: its id, the rows as columns in JSON, and the requested output tensors."""

    id: str | None
    rows: bytes
    outputs: tuple[str, ...]


class OpenInference:
    """The protocol for the model of a release, named by the target."""

    def __init__(self, row: type[BaseModel], signature: Mapping[str, Any], version: str) -> None:
        self._types = {name: field.type for name, field in fields(row).items()}
        self._signature = signature
        self._version = version
        self._classes = [str(name) for name in signature["classes"]] if signature["task"] == "multiclass" else []
        self._outputs = (PREDICTIONS, CLASSES) if self._classes else (PREDICTIONS,)
        model = f"{ROOT}/models/{signature['target']}"
        self._models = (model, f"{model}/versions/{version}")

    @property
    def infer_paths(self) -> frozenset[str]:
        """Paths that answer inference requests."""
        return frozenset(f"{model}/infer" for model in self._models)

    def documents(self) -> dict[str, bytes]:
        """Return the JSON document of each path that answers GET: health, readiness and metadata."""
        server = {"name": SERVER, "version": self._version, "extensions": []}
        ready = {"name": self._signature["target"], "ready": True}
        contents: dict[str, Any] = {
            ROOT: server,
            f"{ROOT}/": server,
            f"{ROOT}/health/live": {"live": True},
            f"{ROOT}/health/ready": {"live": True, "ready": True},  # `live` in the specification, `ready` for KServe
            **dict.fromkeys(self._models, self._metadata()),
            **{f"{model}/ready": ready for model in self._models},
        }
        return {path: to_json(content) for path, content in contents.items()}

    def _metadata(self) -> dict[str, Any]:
        inputs = [_tensor(name, DATATYPES[kind], [-1]) for name, kind in self._types.items()]
        outputs = [_tensor(PREDICTIONS, "FP64", [-1, len(self._classes)] if self._classes else [-1])]
        outputs += [_tensor(CLASSES, "BYTES", [len(self._classes)])] if self._classes else []
        return {
            "name": self._signature["target"],
            "versions": [self._version],
            "platform": PLATFORMS[self._signature["format"]],
            "inputs": inputs,
            "outputs": outputs,
        }

    def read(self, body: bytes | bytearray) -> InferenceRequest:
        """Return the request in `body`. Raises RefusedError for one that is no JSON or breaks the protocol."""
        try:
            content = from_json(body)
            _refuse_unknown_keys(content)
            request: _Request = _REQUEST.validate_python(content)
            refuse_repeated_keys(body, 0)
        except ValidationError as error:
            raise violation(_violated(error)) from None
        except ValueError as error:
            raise RefusedError(400, "json", f"Invalid JSON: {error}") from None
        return InferenceRequest(
            request.id,
            to_json({"columns": self._columns(request.inputs)}, inf_nan_mode="constants"),
            self._requested(request),
        )

    def _columns(self, inputs: Sequence[_Input]) -> dict[str, list[Any]]:
        for tensor in inputs:
            _check_values(tensor)
        if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] > 1:
            return self._split(inputs[0])
        columns: dict[str, list[Any]] = {}
        for tensor in inputs:
            self._check_type(tensor)
            if tensor.name in columns:
                raise violation(detail(None, tensor.name[:KEY_CHARACTERS_MAX], "Tensor is repeated"))
            columns[tensor.name] = _rows(tensor, 1)
        return columns

    def _check_type(self, tensor: _Input) -> None:
        """Raise RefusedError for a column that has another type than its tensor; the contract refuses unknown ones."""
        kind = self._types.get(tensor.name)
        expected = NUMERIC if kind in {"number", "integer"} else {DATATYPES[kind]} if kind else {tensor.datatype}
        if tensor.datatype not in expected:
            raise _invalid(tensor, f"Tensor should have the datatype {DATATYPES[str(kind)]}, not {tensor.datatype}")

    def _split(self, tensor: _Input) -> dict[str, list[Any]]:
        """Return the columns of a tensor of all columns, in the order of the metadata."""
        strings = [name for name, kind in self._types.items() if kind not in {"number", "integer"}]
        if strings or tensor.datatype not in NUMERIC or tensor.shape[1] != len(self._types):
            reason = f"because {strings[0]} is no number" if strings else f"or one of {len(self._types)} numbers a row"
            raise _invalid(tensor, f"Send a tensor of shape [rows] for each column, {reason}")
        width = tensor.shape[1]
        values = _rows(tensor, width)
        return {name: values[place::width] for place, name in enumerate(self._types)}

    def _requested(self, request: _Request) -> tuple[str, ...]:
        for output in request.outputs:
            if output.name not in self._outputs:
                names = " and ".join(self._outputs)
                raise violation(detail(None, output.name[:KEY_CHARACTERS_MAX], f"The outputs are {names}"))
            if output.parameters.get("binary_data"):
                raise violation(detail(None, output.name, "Tensors in binary are not supported; send and request JSON"))
        return tuple(output.name for output in request.outputs) or self._outputs

    def response(self, request: InferenceRequest, scores: np.ndarray) -> bytes:
        """Return the response to `request` with `scores`, shaped as `Predictor.predict` documents."""
        tensors = {PREDICTIONS: partial(_tensor, PREDICTIONS, "FP64", list(scores.shape), scores.ravel().tolist())}
        tensors[CLASSES] = partial(_tensor, CLASSES, "BYTES", [len(self._classes)], self._classes)
        return to_json(
            {"model_name": self._signature["target"], "model_version": self._version}
            | ({} if request.id is None else {"id": request.id})
            | {"outputs": [tensors[name]() for name in request.outputs]}
        )


def _refuse_unknown_keys(content: Any) -> None:
    """Raise RefusedError for a key that the protocol does not have; objects of another type pass."""
    parts: list[tuple[type[_Strict], Any]] = [(_Request, content)]
    parts += [*_parts(content, "inputs", _Input), *_parts(content, "outputs", _Output)]
    for model, part in parts:
        for key in part if isinstance(part, dict) else ():
            if key not in model.model_fields:
                raise violation(detail(None, key[:KEY_CHARACTERS_MAX], "Key is unknown"))


def _parts(content: Any, key: str, model: type[_Strict]) -> list[tuple[type[_Strict], Any]]:
    parts = content.get(key) if isinstance(content, dict) else None
    return [(model, part) for part in parts] if isinstance(parts, list) else []


def error(message: str, details: Sequence[Mapping[str, Any]] | None = None) -> bytes:
    """Return the error object of the protocol, whose only key has the message with all `details`."""
    rules = [_as_text(item) for item in details or ()]
    return to_json({"error": message if rules in ([], [message]) else f"{message}: {'; '.join(rules)}"})


def _as_text(item: Mapping[str, Any]) -> str:
    place = [] if item["row"] is None else [f"row {item['row']}"]
    place += [] if item["field"] is None else [item["field"]]
    return f"{', '.join(place)}: {item['rule']}" if place else str(item["rule"])


def _tensor(name: str, datatype: str, shape: Sequence[int], data: Sequence[Any] | None = None) -> dict[str, Any]:
    tensor = {"name": name, "datatype": datatype, "shape": shape}
    return tensor if data is None else tensor | {"data": data}


def _check_values(tensor: _Input) -> None:
    """Raise RefusedError for a value of another type than the tensor's."""
    types = PYTHON_TYPES[tensor.datatype]
    nested = [value for row in tensor.data if isinstance(row, list) for value in row]
    for value in nested or tensor.data:
        if value is not None and type(value) not in types:
            text = json.dumps(value)[:KEY_CHARACTERS_MAX]
            raise _invalid(tensor, f"Value of another type than {tensor.datatype}: {text}")


def _rows(tensor: _Input, width: int) -> list[Any]:
    """Return the values of a tensor of `width` columns in row-major order, flat or nested in the request."""
    rows, *others = tensor.shape
    if others not in ([], [width]) or (not others and width > 1):
        raise _invalid(tensor, f"Tensor should have the shape [rows] or [rows, {width}]")
    values = tensor.data
    if any(isinstance(row, list) for row in values):
        if len(values) != rows or not all(isinstance(row, list) and len(row) == width for row in values) or not others:
            raise _invalid(tensor, f"Data should be {rows} rows of {width}, as the shape states")
        values = [value for row in values for value in row]
    if len(values) != rows * width:
        raise _invalid(tensor, f"Data should have {rows * width} values, as the shape states, not {len(values)}")
    return values


def _invalid(tensor: _Input, rule: str) -> RefusedError:
    return violation(detail(None, tensor.name[:KEY_CHARACTERS_MAX], rule))


def _violated(invalid: ValidationError) -> dict[str, Any]:
    """Return the first violation of the protocol's own form, with the place in the body."""
    first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"])) or None
    return detail(None, place and place[:KEY_CHARACTERS_MAX], first["msg"])

"""Client of Feast's feature server: the features of keys by HTTP, without an import of Feast."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import TypeAdapter, ValidationError

import problem
from slipway import output
from slipway.errors import ArgumentError, DataError, ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVICE = "row"
"""The feature service that `slipway.feature_store.feast_runner` defines."""
TIMEOUT_SECONDS = 10
REASON_CHARACTERS_MAX = 200


def get(url: str, keys: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the features of each key at the feature server `url`, validated by `Row`; all missing if it has none.

    `keys` has the values of each key, all of the same length k; the result has k elements, without the keys. Raises
    UserError.
    """
    content = _post(f"{url.rstrip('/')}/get-online-features", {"feature_service": SERVICE, "entities": dict(keys)})
    names = content["metadata"]["feature_names"]
    vectors = {name: result["values"] for name, result in zip(names, content["results"], strict=True)}
    columns = {name: _valid(url, name, vectors[name]) for name in names if name not in keys}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _post(url: str, content: object) -> Any:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})  # noqa: S310  the user names the server
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        reason = error.read().decode(errors="replace")[:REASON_CHARACTERS_MAX]
        raise ToolError(f"{url}: HTTP {error.code}: {reason}; name every key of the views") from None
    except (OSError, ValueError) as error:
        raise ToolError(f"{url}: {error}; start it with `slipway features serve`") from None


def _valid(url: str, name: str, values: Sequence[Any]) -> list[Any]:
    """Return values of a response as `Row` allows them. JSON has no NaN, which Feast writes as text."""
    field = problem.Row.model_fields[name]
    adapter: TypeAdapter[Any] = TypeAdapter(list[Annotated[field.annotation, field]])  # type: ignore[name-defined]
    values = [None if value == "NaN" else value for value in values]
    try:
        valid: list[Any] = adapter.validate_python(values, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{url}: `{name}` is {first['input']!r}: {first['msg']}; fix the source of the view, or Row"
        ) from None
    return valid


def main(url: str, keys: Sequence[str]) -> None:
    """Print the features of one key, given as KEY=VALUE."""
    pairs = [text.partition("=") for text in keys]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise ArgumentError(f"{wrong[0]}: is not KEY=VALUE; write the key, `=` and its value")
    values = {name: [_value(text)] for name, _, text in pairs}
    (features,) = get(url, values)
    if all(value is None for value in features.values()):
        output.warn(f"{url}: no features for {' '.join(keys)}: an unknown value, or a view has another key")
    output.result(features, json.dumps(features))


def _value(text: str) -> Any:
    """Return a number, or a quoted string, in JSON as its value, and other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | str) else text

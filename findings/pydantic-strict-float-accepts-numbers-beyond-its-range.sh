#!/usr/bin/env bash
# A JSON number beyond float64 becomes infinity in pydantic, also in strict mode; msgspec refuses it.
#
# Expected: JSON has no infinity, so a model that was read from JSON holds finite floats unless a client writes the
#   nonstandard word `Infinity`; strict mode converts nothing.
# Seen: the valid JSON number 1e400 becomes `inf` in a strict float field, as in Python's own json. `allow_inf_nan=False`
#   refuses it, with the message that a finite number is expected. msgspec refuses it without a setting. A server that
#   parses by msgspec what pydantic validated before therefore answers another status to the same valid JSON.
# Versions: pydantic 2.14.3, msgspec 0.23.0, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.3 msgspec==0.23.0
cat >"$folder/decode.py" <<'PY'
"""Print what each library makes of a number that float64 cannot hold."""

import json
from typing import Annotated

import msgspec
import pydantic

print("pydantic", pydantic.VERSION, "msgspec", msgspec.__version__)
BODY = b"1e400"
finite = Annotated[float, pydantic.Field(allow_inf_nan=False)]
readers = {
    "json": lambda: json.loads(BODY),
    "pydantic, strict float": lambda: pydantic.TypeAdapter(float).validate_json(BODY, strict=True),
    "pydantic, allow_inf_nan=False": lambda: pydantic.TypeAdapter(finite).validate_json(BODY, strict=True),
    "msgspec": lambda: msgspec.json.decode(BODY, type=float),
}
for name, read in readers.items():
    try:
        print(f"{name}: {read()}")
    except ValueError as error:
        kind = error.errors()[0]["type"] if isinstance(error, pydantic.ValidationError) else error
        print(f"{name}: refused, {kind}")
PY
cd "$folder"
venv/bin/python decode.py | tee seen
diff seen - <<'SEEN'
pydantic 2.14.3 msgspec 0.23.0
json: inf
pydantic, strict float: inf
pydantic, allow_inf_nan=False: refused, finite_number
msgspec: refused, Number out of range
SEEN

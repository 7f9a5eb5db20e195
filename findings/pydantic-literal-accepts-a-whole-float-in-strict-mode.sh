#!/usr/bin/env bash
# In strict mode, pydantic's `Literal[1]` accepts 1.0, which its `int` refuses.
#
# Expected: `Literal[1]` is the narrowest of the integers, so whatever `int` refuses in strict mode, it refuses, too. A
#   service that replaces `int` with the list of the values that it knows becomes stricter.
# Seen: strict `int` refuses 1.0, from JSON and from Python. Strict `Literal[1]` accepts it from both, and returns the
#   integer 1. msgspec refuses 1.0 for both types. So two servers with the same `Literal` field disagree about one
#   request, and only if a client writes whole numbers with a decimal point.
# Versions: pydantic 2.14.3, msgspec 0.23.0, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.3 msgspec==0.23.0
cat >"$folder/decode.py" <<'PY'
"""Print what each library makes of a whole float for `int` and for `Literal[1]`."""

import json
from typing import Literal

import msgspec
import pydantic

print("pydantic", pydantic.VERSION, "msgspec", msgspec.__version__)


def result(decode):
    try:
        return repr(decode())
    except ValueError as error:  # both libraries derive theirs from it
        return type(error).__name__


for name, kind in (("int", int), ("Literal[1]", Literal[1])):
    adapter = pydantic.TypeAdapter(kind)
    for body in (b"1", b"1.0"):
        print(
            f"{name} of {body.decode()}:",
            "pydantic, strict JSON", result(lambda: adapter.validate_json(body, strict=True)) + ",",
            "strict Python", result(lambda: adapter.validate_python(json.loads(body), strict=True)) + ",",
            "msgspec", result(lambda: msgspec.json.decode(body, type=kind)),
        )
PY
cd "$folder"
venv/bin/python decode.py | tee seen
diff seen - <<'SEEN'
pydantic 2.14.3 msgspec 0.23.0
int of 1: pydantic, strict JSON 1, strict Python 1, msgspec 1
int of 1.0: pydantic, strict JSON ValidationError, strict Python ValidationError, msgspec ValidationError
Literal[1] of 1: pydantic, strict JSON 1, strict Python 1, msgspec 1
Literal[1] of 1.0: pydantic, strict JSON 1, strict Python 1, msgspec ValidationError
SEEN

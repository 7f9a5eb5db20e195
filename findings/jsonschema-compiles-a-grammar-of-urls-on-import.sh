#!/usr/bin/env bash
# `import jsonschema` compiles a grammar of URLs wherever an unrelated package brought rfc3987-syntax.
#
# Expected: formats such as `uri` are optional, and are checked only with a `FormatChecker`; without one, their extra
#   (`jsonschema[format-nongpl]`) costs disk space alone.
# Seen: with rfc3987-syntax installed, the import of jsonschema imports it, too, and that package compiles its grammar
#   with lark when it is imported. A process takes 1.5 instead of 0.1 s of processor time to import jsonschema, although
#   no schema has a format and nothing checks one.
# Versions: jsonschema 4.26.0, rfc3987-syntax 1.1.0, lark 1.3.1, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
cat >"$folder/import.py" <<'PY'
"""Print the least processor time in seconds of five imports."""

import subprocess
import sys

code = "import time; import jsonschema; jsonschema.validate(1, {'type': 'integer'}); print(time.process_time())"
print(min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)))
PY
cd "$folder"
pip jsonschema==4.26.0
venv/bin/python import.py >without
pip rfc3987-syntax==1.1.0 lark==1.3.1
venv/bin/python import.py >with
{
  venv/bin/python -c '
import importlib.metadata as metadata
import sys
import jsonschema
print(*(f"{name} {metadata.version(name)}" for name in ("jsonschema", "rfc3987-syntax", "lark")))
print("lark is imported:", "lark" in sys.modules)'
  venv/bin/python -c '
without, with_grammar = (float(open(name).read()) for name in ("without", "with"))
print("more than five times the processor time:", with_grammar > 5 * without)'
} | tee seen
paste without with >&2
diff seen - <<'SEEN'
jsonschema 4.26.0 rfc3987-syntax 1.1.0 lark 1.3.1
lark is imported: True
more than five times the processor time: True
SEEN

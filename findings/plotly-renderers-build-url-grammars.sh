#!/usr/bin/env bash
# A look at plotly's default renderer builds 39 lark parsers, 38 of them for URLs, although nobody validates a URL.
#
# Expected: a script that reads or sets `plotly.io.renderers.default` loads the renderers; validators of formats, if they
#   are installed, do their work when a format is validated.
# Seen: the renderers import nbformat wherever it is installed, nbformat imports jsonschema, jsonschema imports
#   rfc3987-syntax wherever it is installed (jupyter-events asks for it by the extra format-nongpl, so an environment
#   with Jupyter's server has it), and that module builds a lark parser for each rule of RFC 3987 when it is imported:
#   more processor time than everything else that the script does. A process that refuses the optional nbformat builds
#   none, and renders the same HTML.
# Matters for: short jobs that import deepchecks, which sets the default renderer when it is imported.
# Versions: plotly 5.24.1, nbformat 5.11.1, jsonschema 4.26.0, rfc3987-syntax 1.1.0, lark 1.3.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check plotly==5.24.1 nbformat==5.11.1 \
  'jsonschema[format-nongpl]==4.26.0' rfc3987-syntax==1.1.0 lark==1.3.1
cat > chart.py <<'PY'
"""Write a chart as HTML; print the number of parsers that lark built, and a digest of the chart."""
import hashlib
import sys
import time

import lark

if "refuse" in sys.argv:
    sys.modules["nbformat"] = None
built = []
original = lark.Lark.__init__


def count(self, *arguments, **options):
    built.append(self)
    original(self, *arguments, **options)


lark.Lark.__init__ = count
start = time.process_time()
import plotly.io

plotly.io.renderers.default = "json"

figure = {"data": [{"type": "bar", "x": ["a", "b"], "y": [1, 2]}]}
page = plotly.io.to_html(figure, full_html=False, include_plotlyjs=False, div_id="chart")
print(f"{len(built)} parsers built,", "the same chart:", hashlib.sha256(page.encode()).hexdigest()[:8])
print(f"{time.process_time() - start:.2f} s of processor time", file=sys.stderr)
PY
for choice in default refuse; do
  echo "nbformat, $choice: $(venv/bin/python chart.py $choice)"
done | tee seen
diff - seen <<'SEEN'
nbformat, default: 39 parsers built, the same chart: 40f8972e
nbformat, refuse: 0 parsers built, the same chart: 40f8972e
SEEN

#!/usr/bin/env bash
# `import deepchecks` holds a table of a million characters, more than numpy, pandas and scikit-learn together.
#
# Expected: a library of checks on tables costs what it imports.
# Seen: `deepchecks.utils.strings` lists all characters of Unicode that are no letter or digit, as a tuple of strings and as a
#   dictionary, at each import. Most checks never read it. A dictionary whose `__missing__` judges a character gives the
#   same strings, and the import without the list takes 100 MB less.
# Why it matters: a process that runs a few checks on 5,000 rows takes 400 MB. Set `sys.maxunicode` to 0 while the module is
#   imported, and `DEL_MAP` afterwards. Import matplotlib before, because pyparsing reads `sys.maxunicode` too.
# Versions: deepchecks 0.19.1, numpy 2.3.5, pandas 2.3.3, scikit-learn 1.7.2. deepchecks reads three names that numpy 2
#   removed; the script restores them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/memory.py" <<'PYTHON'
import importlib
import resource
import sys
import warnings

warnings.simplefilter("ignore")
import numpy as np

np.Inf, np.NaN, np.NINF = np.inf, np.nan, -np.inf
import matplotlib


class Judged(dict):
    def __missing__(self, code):
        self[code] = code if chr(code).isalnum() else None
        return self[code]


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


last = sys.maxunicode
if sys.argv[1] == "short":
    sys.maxunicode = 0
strings = importlib.import_module("deepchecks.utils.strings")
sys.maxunicode = last
if sys.argv[1] == "short":
    strings.DEL_MAP = Judged()
print(round(peak()), len(strings.SPECIAL_CHARACTERS) > 900_000, strings.string_baseform("St. Louis — Ärger, №5!"))
PYTHON

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  deepchecks==0.19.1 numpy==2.3.5 pandas==2.3.3 scikit-learn==1.7.2 plotly==5.24.1 setuptools==80.9.0
read -r whole whole_listed whole_text < <("$folder/venv/bin/python" "$folder/memory.py" whole 2>/dev/null)
read -r short short_listed short_text < <("$folder/venv/bin/python" "$folder/memory.py" short 2>/dev/null)
echo "whole import: $whole MB, without the list: $short MB"
{
  echo "a million special characters: $whole_listed, $short_listed"
  echo "text: $whole_text, $short_text"
  echo "more than 100 MB less: $([ $((whole - short)) -gt 100 ] && echo yes || echo no)"
} >"$folder/observed"

cat >"$folder/expected" <<'EXPECTED'
a million special characters: True, False
text: stlouisärger5, stlouisärger5
more than 100 MB less: yes
EXPECTED
cat "$folder/observed"
diff "$folder/expected" "$folder/observed" && echo "as seen before"

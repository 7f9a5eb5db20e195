#!/usr/bin/env bash
# pytest rewrites every module of a package that brings a plugin, not the plugin alone, so `import hypothesis` in a test
# takes several times as long.
#
# Expected: pytest rewrites assertions in tests, in conftest.py and in modules of plugins, because assertions elsewhere
#   are not those of a test.
# Seen: with the plugin of hypothesis found by itself, a run rewrites 76 modules of the package hypothesis. With
#   `--disable-plugin-autoload -p hypothesispytest`, the same plugin is loaded, the test passes, and no module of a
#   package is rewritten.
# Why it matters: without a cache of bytecode (a new container, PYTHONDONTWRITEBYTECODE=1), every run and every process
#   that starts pytest pays for it.
# Versions: pytest 9.2.0, hypothesis 6.170.15, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pytest==9.2.0 hypothesis==6.170.15
cat >"$folder/test_x.py" <<'TEST'
from hypothesis import given, strategies

@given(strategies.integers())
def test_x(x): assert x == x
TEST
cat >"$folder/count.py" <<'COUNT'
import sys
import pytest
from _pytest.assertion import rewrite

names = []
rewritten = rewrite._rewrite_test

def count(path, config):
    names.append(path.parts[-2:])
    return rewritten(path, config)

rewrite._rewrite_test = count
code = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
of_hypothesis = sum("test_x.py" not in name for name in names)
print(f"exit code {int(code)}, {of_hypothesis} modules of packages rewritten", file=sys.stderr)
COUNT
cd "$folder"
export PYTHONDONTWRITEBYTECODE=1
by_itself=$("venv/bin/python" count.py 2>&1 >/dev/null | tail -1)
by_name=$("venv/bin/python" count.py --disable-plugin-autoload -p hypothesispytest 2>&1 >/dev/null | tail -1)
echo "autoload:          $by_itself"
echo "loaded by name:    $by_name"
many=$(echo "$by_itself" | sed -n 's/exit code 0, \([0-9]*\) .*/\1/p')
few=$(echo "$by_name" | sed -n 's/exit code 0, \([0-9]*\) .*/\1/p')
[ "$many" -gt 50 ] && [ "$few" -le 1 ]

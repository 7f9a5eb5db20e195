#!/bin/sh
# A `pre-receive` hook with GitHub's rule for workflow files. When the built-in token of a workflow pushes a ref, GitHub
# requires that some branch already has each workflow file of its tree, with the same path and content. The hook applies
# the rule to the refs that Slipway pushes from workflows. Users push the other refs, and may change workflow files.
set -eu
none=0000000000000000000000000000000000000000
known=$(
    git for-each-ref --format='%(refname)' refs/heads | while read -r branch; do
        git ls-tree -r "$branch" -- .github/workflows
    done
)
while read -r _ commit ref; do
    case $ref in refs/heads/deploy | refs/heads/retrain | refs/tags/*) ;; *) continue ;; esac
    if [ "$commit" = $none ]; then continue; fi
    file=$(git ls-tree -r "$commit" -- .github/workflows | grep -Fxv -e "$known" | cut -f 2 | head -n 1)
    if [ -n "$file" ]; then
        echo "$ref: refusing to allow a GitHub App to create or update workflow \`$file\` without \`workflows\` permission" >&2
        exit 1
    fi
done

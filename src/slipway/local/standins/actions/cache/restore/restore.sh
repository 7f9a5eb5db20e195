#!/usr/bin/env bash
# Restore FOLDER from the cache KEY, or from the newest one whose key begins with KEY or one of RESTORE_KEYS. Succeeds
# without a cache too.
set -euo pipefail
shopt -s nullglob
for prefix in "$KEY" $RESTORE_KEYS; do
  newest=
  for cache in "$SLIPWAY_CACHE/$prefix"*; do
    [[ -n $newest && $cache -ot $newest ]] || newest=$cache
  done
  if [[ -n $newest ]]; then
    mkdir -p "$FOLDER"
    cp -R "$newest/." "$FOLDER"
    echo "restored $FOLDER from ${newest##*/}"
    exit 0
  fi
done
echo "no cache $KEY"

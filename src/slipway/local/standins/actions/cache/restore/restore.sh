#!/usr/bin/env bash
# Restore KEPT from the cache KEY, or from the newest whose key begins with one of RESTORE_KEYS; none is no error.
set -euo pipefail
shopt -s nullglob
for prefix in "$KEY" $RESTORE_KEYS; do
  newest=
  for cache in "$SLIPWAY_CACHE/$prefix"*; do
    [[ -n $newest && $cache -ot $newest ]] || newest=$cache
  done
  if [[ -n $newest ]]; then
    mkdir -p "$KEPT"
    cp -R "$newest/." "$KEPT"
    echo "restored $KEPT from ${newest##*/}"
    exit 0
  fi
done
echo "no cache $KEY"

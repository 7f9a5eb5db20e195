#!/usr/bin/env bash
# Restore KEPT from the cache KEY, or from the newest whose key begins with one of RESTORE_KEYS; none is no error.
set -euo pipefail
for prefix in "$KEY" $RESTORE_KEYS; do
  newest=$(find "$SLIPWAY_CACHE" -mindepth 1 -maxdepth 1 -name "$prefix*" -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  if [[ -n $newest ]]; then
    mkdir -p "$KEPT"
    cp -R "$newest/." "$KEPT"
    echo "restored $KEPT from ${newest##*/}"
    exit 0
  fi
done
echo "no cache $KEY"

#!/usr/bin/env bash
# Keep KEPT as the cache KEY; a key that is there already is left as it is, as on GitHub.
set -euo pipefail
if [[ -e $SLIPWAY_CACHE/$KEY ]]; then
  echo "there is a cache $KEY"
  exit 0
fi
mkdir -p "$SLIPWAY_CACHE"
cp -R "$KEPT" "$SLIPWAY_CACHE/.incoming-$$"
mv "$SLIPWAY_CACHE/.incoming-$$" "$SLIPWAY_CACHE/$KEY"

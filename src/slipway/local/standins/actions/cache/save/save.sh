#!/usr/bin/env bash
# Save FOLDER as the cache KEY. As on GitHub, an existing cache stays unchanged.
set -euo pipefail
if [[ -e $SLIPWAY_CACHE/$KEY ]]; then
  echo "cache $KEY exists"
  exit 0
fi
mkdir -p "$SLIPWAY_CACHE"
cp -R "$FOLDER" "$SLIPWAY_CACHE/.incoming-$$"
mv "$SLIPWAY_CACHE/.incoming-$$" "$SLIPWAY_CACHE/$KEY"

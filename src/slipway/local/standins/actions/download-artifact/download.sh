#!/usr/bin/env bash
# Copy the artifact NAME, which must exist, or all that match PATTERN, of which there may be none.
set -euo pipefail
mkdir -p "$FOLDER"
if [[ -n $NAME ]]; then
  cp -R "$SLIPWAY_ARTIFACTS/$NAME/." "$FOLDER"
  exit
fi
shopt -s nullglob
for artifact in "$SLIPWAY_ARTIFACTS"/$PATTERN; do
  target=$FOLDER
  [[ $MERGE == true ]] || target=$FOLDER/$(basename "$artifact")
  mkdir -p "$target"
  cp -R "$artifact/." "$target"
done

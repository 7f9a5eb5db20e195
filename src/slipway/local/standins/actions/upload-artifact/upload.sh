#!/usr/bin/env bash
# Keep FOLDER as the artifact NAME; a second upload of the same name is an error, as it is on GitHub.
set -euo pipefail
if [[ ! -d $FOLDER ]]; then
  echo "$FOLDER: no such folder, so there is no artifact $NAME"
  [[ $IF_NO_FILES_FOUND != error ]]
  exit
fi
mkdir -p "$SLIPWAY_ARTIFACTS"
mkdir "$SLIPWAY_ARTIFACTS/$NAME"
cp -R "$FOLDER/." "$SLIPWAY_ARTIFACTS/$NAME"

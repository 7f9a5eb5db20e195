#!/usr/bin/env bash
# Keep a file or a folder as the artifact NAME; a second upload of the same name is an error, as it is on GitHub, and
# what is hidden is left out.
set -euo pipefail
if [[ ! -e $KEPT ]]; then
  echo "$KEPT: not there, so there is no artifact $NAME"
  [[ $IF_NO_FILES_FOUND != error ]]
  exit
fi
mkdir -p "$SLIPWAY_ARTIFACTS"
[[ $OVERWRITE != true ]] || rm -rf "${SLIPWAY_ARTIFACTS:?}/$NAME"
mkdir "$SLIPWAY_ARTIFACTS/$NAME"
if [[ -d $KEPT ]]; then
  cp -R "$KEPT/." "$SLIPWAY_ARTIFACTS/$NAME"
else
  cp "$KEPT" "$SLIPWAY_ARTIFACTS/$NAME"
fi
[[ $HIDDEN == true ]] || find "$SLIPWAY_ARTIFACTS/$NAME" -mindepth 1 -name '.*' -prune -exec rm -rf {} +

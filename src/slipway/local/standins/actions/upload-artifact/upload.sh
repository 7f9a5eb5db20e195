#!/usr/bin/env bash
# Copy the file or folder UPLOADED to the artifact NAME, without hidden files unless HIDDEN is true. As on GitHub, a second
# upload of the same name is an error unless OVERWRITE is true.
set -euo pipefail
if [[ ! -e $UPLOADED ]]; then
  echo "$UPLOADED: does not exist; artifact $NAME was not created"
  [[ $IF_NO_FILES_FOUND != error ]]
  exit
fi
mkdir -p "$SLIPWAY_ARTIFACTS"
[[ $OVERWRITE != true ]] || rm -rf "${SLIPWAY_ARTIFACTS:?}/$NAME"
mkdir "$SLIPWAY_ARTIFACTS/$NAME"
if [[ -d $UPLOADED ]]; then
  cp -R "$UPLOADED/." "$SLIPWAY_ARTIFACTS/$NAME"
else
  cp "$UPLOADED" "$SLIPWAY_ARTIFACTS/$NAME"
fi
[[ $HIDDEN == true ]] || find "$SLIPWAY_ARTIFACTS/$NAME" -mindepth 1 -name '.*' -prune -exec rm -rf {} +

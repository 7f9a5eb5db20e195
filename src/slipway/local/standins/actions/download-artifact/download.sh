#!/usr/bin/env bash
# Copy the artifact NAME, or all that match PATTERN, to FOLDER like actions/download-artifact v8.0.1. A single match goes
# straight to FOLDER. Several matches go to a subfolder each, or all to FOLDER if MERGE_MULTIPLE is true.
set -euo pipefail
shopt -s nullglob

fail() {
  echo "Unable to download artifact(s): $1" >&2
  exit 1
}

case $MERGE_MULTIPLE in
  true | True | TRUE) merge=true ;;
  false | False | FALSE) merge=false ;;
  *) fail "merge-multiple: '$MERGE_MULTIPLE' is not a boolean" ;;
esac
[[ -n $FOLDER ]] || FOLDER=$GITHUB_WORKSPACE
FOLDER=$(realpath -m "${FOLDER/#\~/$HOME}")

if [[ -n $NAME ]]; then
  [[ -d $SLIPWAY_ARTIFACTS/$NAME ]] || fail "Artifact not found for name: $NAME"
  artifacts=("$SLIPWAY_ARTIFACTS/$NAME")
else
  # The action uses minimatch, which agrees with the shell on these characters but not on all others.
  [[ ${PATTERN:-*} =~ ^[A-Za-z0-9._*?-]+$ ]] || fail "pattern '$PATTERN': the local stand-in supports * and ? only"
  # shellcheck disable=SC2206 # the pattern must expand
  artifacts=("$SLIPWAY_ARTIFACTS"/${PATTERN:-*})
fi

for artifact in ${artifacts[@]+"${artifacts[@]}"}; do
  target=$FOLDER
  [[ ${#artifacts[@]} == 1 || $merge == true ]] || target=$FOLDER/${artifact##*/}
  mkdir -p "$target"
  cp -R "$artifact/." "$target"
done
echo "Total of ${#artifacts[@]} artifact(s) downloaded"
echo "download-path=$FOLDER" >>"$GITHUB_OUTPUT"

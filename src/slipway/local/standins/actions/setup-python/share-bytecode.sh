#!/usr/bin/env bash
# Make the folders in this one, given as arguments, share their compiled modules with other jobs: environments, into which
# uv links the same files, and the source, whose bytecode has the hash of its module (slipway.local.bytecode). Compiling
# again would take each job about ten seconds.
set -euo pipefail
for folder in "$@"; do
  mkdir -p "$SLIPWAY_BYTECODE/$folder" "$PYTHONPYCACHEPREFIX$PWD"
  ln -sfn "$SLIPWAY_BYTECODE/$folder" "$PYTHONPYCACHEPREFIX$PWD/$folder"
done

#!/usr/bin/env bash
# Make the environments in this folder, given as arguments, share a folder for compiled modules. uv links the same files
# into each environment, so the bytecode is identical. Compiling it again would take each job about ten seconds.
set -euo pipefail
for environment in "$@"; do
  mkdir -p "$SLIPWAY_BYTECODE/$environment" "$PYTHONPYCACHEPREFIX$PWD"
  ln -sfn "$SLIPWAY_BYTECODE/$environment" "$PYTHONPYCACHEPREFIX$PWD/$environment"
done

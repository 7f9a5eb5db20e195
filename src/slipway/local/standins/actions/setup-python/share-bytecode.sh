#!/usr/bin/env bash
# Let the environments named as arguments, created in this folder, share one place for compiled modules. uv links the
# same files into each of them, so the bytecode is the same too; compiling it again would cost each job some ten seconds.
set -euo pipefail
for environment in "$@"; do
  mkdir -p "$SLIPWAY_BYTECODE/$environment" "$PYTHONPYCACHEPREFIX$PWD"
  ln -sfn "$SLIPWAY_BYTECODE/$environment" "$PYTHONPYCACHEPREFIX$PWD/$environment"
done

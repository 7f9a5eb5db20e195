#!/usr/bin/env bash
# Write the SHA-256 of SUBJECT where GitHub's action puts its bundle; a SUBJECT that is not there is an error, as it is there.
set -euo pipefail
bundle=$(mktemp -d)/attestation.json
digest=$(sha256sum "$SUBJECT" | cut -d' ' -f1)
echo "{\"unsigned\": \"sha256:$digest\"}" > "$bundle"
echo "bundle-path=$bundle" >> "$GITHUB_OUTPUT"
echo "wrote down sha256:$digest of $SUBJECT, unsigned"

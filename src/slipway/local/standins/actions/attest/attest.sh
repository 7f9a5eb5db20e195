#!/usr/bin/env bash
# Write the SHA-256 of SUBJECT to the path where GitHub's action writes its bundle. A missing SUBJECT is an error.
set -euo pipefail
bundle=$(mktemp -d)/attestation.json
digest=$(sha256sum "$SUBJECT" | cut -d' ' -f1)
echo "{\"unsigned\": \"sha256:$digest\"}" > "$bundle"
echo "bundle-path=$bundle" >> "$GITHUB_OUTPUT"
echo "wrote sha256:$digest of $SUBJECT, unsigned"

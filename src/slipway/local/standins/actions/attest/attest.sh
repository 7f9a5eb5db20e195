#!/usr/bin/env bash
# Write DIGEST, the SHA-256 of NAME, or that of the file SUBJECT, to the path where GitHub's action writes its bundle. A
# missing SUBJECT or NAME is an error.
set -euo pipefail
bundle=$(mktemp -d)/attestation.json
if [ -n "$DIGEST" ]; then
    attested=${NAME:?is required with subject-digest}
else
    attested=$SUBJECT
    DIGEST=sha256:$(sha256sum "$SUBJECT" | cut -d' ' -f1)
fi
echo "{\"unsigned\": \"$DIGEST\"}" > "$bundle"
echo "bundle-path=$bundle" >> "$GITHUB_OUTPUT"
echo "wrote $DIGEST of $attested, unsigned"

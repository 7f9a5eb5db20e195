"""GitHub's attestation of a release that deploy.yaml built: stored as evidence, verified by `gh attestation verify`.

Sigstore signs it with a certificate that names repository, workflow, branch and commit, so the project needs no key.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway.errors import ArgumentError, RejectedError
from slipway.files import write_bytes
from slipway.github import workflows
from slipway.release.manifest import MANIFEST
from slipway.release.signing.signature import PROVENANCE
from slipway.release.store.github import gh

if TYPE_CHECKING:
    from slipway.git import Git
    from slipway.release.manifest import Release
    from slipway.release.store import Store

REQUIRED = "SLIPWAY_ATTESTED"
NAME = "attestation.sigstore.json"
WORKFLOW = ".github/workflows/deploy.yaml"
SOURCE = "refs/heads/main"


def is_required() -> bool:
    """Return whether $SLIPWAY_ATTESTED is `true`, so that a release without an attestation is refused."""
    return os.environ.get(REQUIRED) == "true"


def add(bundle: Path, folder: Path) -> None:
    """Copy the bundle that actions/attest wrote into the evidence `folder`. Raises UserError when it is missing."""
    if not bundle.is_file():
        raise ArgumentError(f"--attestation {bundle}: file not found; give the output `bundle-path` of actions/attest")
    write_bytes(folder / NAME, bundle.read_bytes())


def exists(store: Store, version: str) -> bool:
    """Return whether the store has an attestation of the release."""
    return NAME in store.evidence_names(version)


def check(git: Git, built: Release, store: Store) -> str:
    """Verify the attestation of a release with `gh`: its workflow, branch and commit. Raises UserError.

    Returns the verified workflow and commit as text.
    """
    return check_file(git, built.folder / MANIFEST, store.read_evidence(built.version, NAME), built.commit)


def check_file(git: Git, subject: Path, bundle: bytes, commit: str) -> str:
    """Verify the attestation `bundle` of the file `subject`, which deploy.yaml made at `commit`; see `check`."""
    repository = _repository(git)
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / NAME
        file.write_bytes(bundle)
        source = ["--source-ref", SOURCE, "--source-digest", commit]
        signer = ["--repo", repository, "--signer-workflow", f"{repository}/{WORKFLOW}"]
        kind = ["--predicate-type", PROVENANCE, "--format", "json"]
        output = gh("attestation", "verify", str(subject), "--bundle", str(file), *signer, *source, *kind)
    if not json.loads(output or "[]"):
        raise RejectedError("gh attestation verify: reported no verified attestation")
    return f"{repository}/{WORKFLOW} at {commit[:12]}, by `gh attestation verify`"


def _repository(git: Git) -> str:
    """Return OWNER/NAME from $GITHUB_REPOSITORY or the URL of `origin`. Raises UserError."""
    if repository := workflows.repository():
        return repository
    match = re.search(r"[:/]([\w.-]+/[\w.-]+?)(\.git)?/?$", git.run("remote", "get-url", "origin"))
    if match is None:
        raise ArgumentError("origin: not the URL of a GitHub repository; set GITHUB_REPOSITORY=OWNER/NAME")
    return match[1]

"""What GitHub attests of a release that deploy.yaml built: kept beside it, and verified by `gh attestation verify`.

Sigstore signs it with a certificate that names repository, workflow, branch and commit; nobody here has a key for that.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway.delivery.release import MANIFEST
from slipway.delivery.store.github import gh
from slipway.delivery.trust.signature import PROVENANCE
from slipway.errors import UserError
from slipway.files import write_bytes

if TYPE_CHECKING:
    from slipway.delivery.release import Release
    from slipway.delivery.store import Store
    from slipway.git import Git

REQUIRED = "SLIPWAY_ATTESTED"
NAME = "attestation.sigstore.json"
WORKFLOW = ".github/workflows/deploy.yaml"
SOURCE = "refs/heads/main"


def is_required() -> bool:
    """Whether $SLIPWAY_ATTESTED says `true`: then a release without an attestation is refused."""
    return os.environ.get(REQUIRED) == "true"


def keep(bundle: Path, folder: Path) -> None:
    """Put the bundle that actions/attest wrote into `folder`, under the name that it is kept by."""
    if not bundle.is_file():
        raise UserError(f"--attestation {bundle}: no such file; it is the output `bundle-path` of actions/attest")
    write_bytes(folder / NAME, bundle.read_bytes())


def is_kept(store: Store, version: str) -> bool:
    """Whether there is one beside the release."""
    return NAME in store.evidence_names(version)


def check(git: Git, built: Release, store: Store) -> str:
    """Have `gh` verify who built the manifest of `built`, where, and from which commit. Raises UserError."""
    repository, bundle = _repository(git), store.read_evidence(built.version, NAME)
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / NAME
        file.write_bytes(bundle)
        source = ["--source-ref", SOURCE, "--source-digest", built.commit]
        signer = ["--repo", repository, "--signer-workflow", f"{repository}/{WORKFLOW}"]
        kind = ["--predicate-type", PROVENANCE, "--format", "json"]
        said = gh("attestation", "verify", str(built.folder / MANIFEST), "--bundle", str(file), *signer, *source, *kind)
    if not json.loads(said or "[]"):
        raise UserError("gh attestation verify: names no attestation that it verified")
    return f"{repository}/{WORKFLOW} at {built.commit[:12]}, by `gh attestation verify`"


def _repository(git: Git) -> str:
    """OWNER/NAME: of the workflow that runs, else of `origin`. Raises UserError."""
    if named := os.environ.get("GITHUB_REPOSITORY"):
        return named
    found = re.search(r"[:/]([\w.-]+/[\w.-]+?)(\.git)?/?$", git.run("remote", "get-url", "origin"))
    if found is None:
        raise UserError("origin: no address of a repository on GitHub; set GITHUB_REPOSITORY=OWNER/NAME")
    return found[1]

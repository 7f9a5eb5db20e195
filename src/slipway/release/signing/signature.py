"""The signature of a release: an in-toto statement with SLSA provenance in a signed DSSE envelope.

The statement has the form of GitHub's attestations. Its subject is the release's manifest by SHA-256, the digest of the
release. The file of evidence is signature-<key>.intoto.jsonl, with one envelope per line.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from slipway.errors import RejectedError, UserError
from slipway.files import write_bytes
from slipway.github import workflows
from slipway.release.manifest import MANIFEST
from slipway.release.signing.keys import KEY_ID_DIGITS, SIGNING_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from slipway.release.manifest import Inputs, Release
    from slipway.release.signing.keys import Trusted
    from slipway.release.store import Store

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
BUILD = "https://slipway.invalid/release/v1"  # an identifier, no URL: `.invalid` is no domain (RFC 2606)
SUFFIX = ".intoto.jsonl"
SIGNATURE_BYTES_MAX = 100_000  # of a file of signatures; a signature has about 3,000
SIGNATURES_MAX = 20  # of a release that are read


def evidence_folder(output: Path) -> Path:
    """Return the folder of evidence to publish with the release in `output`, which is sealed before it is signed."""
    return output.with_name(f"{output.name}.evidence")


def write(built: Release, signer: CryptoSigner | None) -> None:
    """Clear the evidence folder of a release and, with a `signer`, write its signature there.

    Sign only a release that was built here. A fetched one merely claims the commit that it was built from.
    """
    shutil.rmtree(evidence_folder(built.folder), ignore_errors=True)
    if signer is not None:
        write_signed(built, signer)


def write_signed(built: Release, signer: CryptoSigner) -> Path:
    """Sign a release and return the file of its signature in the evidence folder, which is cleared first."""
    folder = evidence_folder(built.folder)
    shutil.rmtree(folder, ignore_errors=True)
    name, content = sign(built, signer)
    folder.mkdir(parents=True)
    write_bytes(folder / name, content)
    return folder / name


def sign(built: Release, signer: CryptoSigner) -> tuple[str, bytes]:
    """Return the name and content of the file with the signature of `built`."""
    return f"signature-{signer.public_key.keyid[:KEY_ID_DIGITS]}{SUFFIX}", envelope(statement(built), signer)


def envelope(content: dict[str, Any], signer: CryptoSigner) -> bytes:
    """Return a statement in a signed DSSE envelope, as one line."""
    from securesystemslib.dsse import Envelope

    signed = Envelope(json.dumps(content, sort_keys=True).encode(), PAYLOAD, {})
    signed.sign(signer)
    return json.dumps(signed.to_dict(), sort_keys=True).encode() + b"\n"


def statement(built: Release) -> dict[str, Any]:
    """Return the in-toto statement to sign: the digest, the inputs and the builder of the release."""
    inputs = built.manifest.inputs
    dependencies = [
        {"name": "commit", "digest": {"gitCommit": built.commit}},
        *({"name": f"{name} (DVC)", "digest": {"md5": md5}} for name, md5 in _dvc_inputs(inputs)),
        {"name": "params", "digest": {"sha256": inputs.params}},
        {"name": "requirements", "digest": {"sha256": inputs.requirements}},
    ]
    definition = {"buildType": BUILD, "externalParameters": {"version": built.version, "commit": built.commit}}
    return {
        "_type": STATEMENT,
        "subject": [{"name": MANIFEST, "digest": {"sha256": built.digest.removeprefix("sha256:")}}],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {**definition, "resolvedDependencies": dependencies},
            "runDetails": {
                "builder": {"id": workflows.workflow_url() or f"{BUILD}#by-hand"},
                "metadata": {"invocationId": workflows.run_url() or "by hand"},
            },
        },
    }


def of_release(store: Store, version: str) -> Iterator[bytes]:
    """Yield the content of each file of signatures of a release, at most SIGNATURES_MAX, read lazily."""
    for name in [name for name in store.evidence_names(version) if name.endswith(SUFFIX)][:SIGNATURES_MAX]:
        yield store.read_evidence(version, name)


def verify(version: str, digest: str, files: Iterable[bytes], keys: Sequence[Trusted]) -> tuple[str, str]:
    """Return the name of a trusted key that signed the release `digest`, and the line with its signature.

    Raises UserError with the problem of each file when there is no valid signature.
    """
    problems: list[str] = []
    for content in files:
        try:
            return verify_file(content, digest, keys)
        except UserError as error:
            problems.append(str(error))
    names = ", ".join(key.name for key in keys)
    reason = "; ".join(dict.fromkeys(problems)) or "not signed"
    raise RejectedError(
        f"{version}: {reason}; trusted keys: {names}; to sign it, set {SIGNING_KEY} and run"
        f" `slipway release sign {version}`"
    )


def verify_file(content: bytes, digest: str, keys: Sequence[Trusted]) -> tuple[str, str]:
    """Return the name of the key of the first valid line, and the line. Raises UserError."""
    if len(content) > SIGNATURE_BYTES_MAX:
        raise RejectedError(f"signature has {len(content):,} bytes, at most {SIGNATURE_BYTES_MAX:,} are allowed")
    problem: UserError = RejectedError("empty signature")
    for line in content.splitlines():
        try:
            return _verify_line(line, digest, keys), line.decode()
        except UserError as error:
            problem = error
    raise problem


def _verify_line(line: bytes, digest: str, keys: Sequence[Trusted]) -> str:
    """Return the name of the key that signed an envelope. Raises UserError."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error, VerificationError

    by_id = {key.key.keyid: key for key in keys}
    try:
        envelope = Envelope.from_dict(json.loads(line.decode()))
        verified = envelope.verify([key.key for key in keys], 1)
    except VerificationError:
        claimed = [by_id[keyid].name for keyid in envelope.signatures if keyid in by_id]
        raise RejectedError(
            f"changed since {claimed[0]} signed it" if claimed else "not signed by a trusted key"
        ) from None
    except (AttributeError, Error, LookupError, RecursionError, TypeError, ValueError):
        raise RejectedError("malformed signature") from None
    _check_statement(envelope.payload_type, envelope.payload, digest)
    return by_id[next(iter(verified))].name


def _check_statement(payload_type: str, payload: bytes, digest: str) -> None:
    """Raise UserError unless the payload is a statement about this very release; a key may sign other things too."""
    if payload_type != PAYLOAD:
        raise RejectedError(f"signature of {payload_type}, expected {PAYLOAD}")
    try:
        statement = json.loads(payload)
        types = (statement["_type"], statement["predicateType"])
        subjects = [subject["digest"]["sha256"] for subject in statement["subject"]]
    except (LookupError, RecursionError, TypeError, ValueError):
        raise RejectedError("signature of something other than a statement about a release") from None
    if types != (STATEMENT, PROVENANCE):
        raise RejectedError(f"signature of {types[1]}, expected {PROVENANCE}")
    if subjects != [digest.removeprefix("sha256:")]:
        raise RejectedError(f"signature of a different release (sha256:{', '.join(map(str, subjects))})")


def _dvc_inputs(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Yield the name and MD5 of each input that DVC tracks, and of the model."""
    tracked = json.loads(inputs.data) if inputs.data.startswith("{") else {"data": inputs.data}
    yield from ((name, md5.removesuffix(".dir")) for name, md5 in {**tracked, "model": inputs.model}.items())

"""The signature of a release: what it was made of, stated as in-toto and SLSA do, in an envelope that a key has signed.

The statement has the shape of what GitHub attests: its subject is the release's manifest, by the SHA-256 that is the
release's digest. It is kept beside the release as signature-<key>.intoto.jsonl, an envelope (DSSE) a line.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from slipway.delivery.evidence import run_url
from slipway.delivery.release import MANIFEST
from slipway.delivery.trust.keys import SHORT, SIGNING_KEY
from slipway.errors import UserError
from slipway.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from slipway.delivery.release import Release
    from slipway.delivery.store import Store
    from slipway.delivery.trust.keys import Trusted

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
BUILD = "https://slipway.invalid/release/v1"  # a name and no address: `.invalid` is no domain (RFC 2606)
SUFFIX = ".intoto.jsonl"
LARGEST = 100_000  # bytes of a file of signatures; one takes 3,000
MOST = 20  # signatures of a release that are looked at


def evidence_folder(output: Path) -> Path:
    """Folder of what is published beside the release in `output`, which is sealed before anybody can sign it."""
    return output.with_name(f"{output.name}.evidence")


def write(built: Release, signer: CryptoSigner | None) -> Path | None:
    """Sign a release that was built here, if there is a key, and return the file beside it.

    What was fetched is never signed on the way: it only says of itself which commit it was built from.
    """
    folder = evidence_folder(built.folder)
    shutil.rmtree(folder, ignore_errors=True)
    if signer is None:
        return None
    name, content = sign(built, signer)
    folder.mkdir(parents=True)
    write_bytes(folder / name, content)
    return folder / name


def sign(built: Release, signer: CryptoSigner) -> tuple[str, bytes]:
    """Name and content of the file that keeps the signature of `built`."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(json.dumps(statement(built), sort_keys=True).encode(), PAYLOAD, {})
    envelope.sign(signer)
    name = f"signature-{signer.public_key.keyid[:SHORT]}{SUFFIX}"
    return name, json.dumps(envelope.to_dict(), sort_keys=True).encode() + b"\n"


def statement(built: Release) -> dict[str, Any]:
    """What is signed: the digest, what it was made of, and where."""
    inputs = built.manifest["inputs"]
    made_of = [
        {"name": "commit", "digest": {"gitCommit": built.commit}},
        *({"name": f"{name} (DVC)", "digest": {"md5": md5}} for name, md5 in _folders(inputs)),
        *({"name": name, "digest": {"sha256": inputs[name]}} for name in ("params", "requirements") if name in inputs),
    ]
    definition = {"buildType": BUILD, "externalParameters": {"version": built.version, "commit": built.commit}}
    return {
        "_type": STATEMENT,
        "subject": [{"name": MANIFEST, "digest": {"sha256": built.digest.removeprefix("sha256:")}}],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {**definition, "resolvedDependencies": made_of},
            "runDetails": {"builder": {"id": _builder()}, "metadata": {"invocationId": run_url() or "by hand"}},
        },
    }


def of_release(store: Store, version: str) -> Iterator[bytes]:
    """What the store keeps as signatures of a release, read one after the other."""
    for name in [name for name in store.evidence_names(version) if name.endswith(SUFFIX)][:MOST]:
        yield store.read_evidence(version, name)


def verify(version: str, digest: str, files: Iterable[bytes], keys: Sequence[Trusted]) -> tuple[str, str]:
    """Name of a trusted key that signed the release `digest`, and the line that is its signature.

    Raises UserError that says what is wrong with what there is.
    """
    wrong: list[str] = []
    for content in files:
        try:
            return _signed_by(content, digest, keys)
        except UserError as error:
            wrong.append(str(error))
    names = ", ".join(one.name for one in keys)
    reason = "; ".join(dict.fromkeys(wrong)) or "not signed"
    raise UserError(
        f"{version}: {reason}; trusted is {names}; sign it with `slipway release sign {version}` and {SIGNING_KEY}"
    )


def _signed_by(content: bytes, digest: str, keys: Sequence[Trusted]) -> tuple[str, str]:
    """The first line of a file that a key has signed, and the key's name. Raises UserError."""
    if len(content) > LARGEST:
        raise UserError(f"a signature of {len(content):,} bytes, at most {LARGEST:,} are read")
    wrong = UserError("an empty signature")
    for line in content.splitlines():
        try:
            return _read(line, digest, keys), line.decode()
        except UserError as error:
            wrong = error
    raise wrong


def _read(line: bytes, digest: str, keys: Sequence[Trusted]) -> str:
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error, VerificationError

    known = {one.key.keyid: one for one in keys}
    try:
        envelope = Envelope.from_dict(json.loads(line.decode()))
        by = envelope.verify([one.key for one in keys], 1)
    except VerificationError:
        claimed = [known[keyid].name for keyid in envelope.signatures if keyid in known]
        raise UserError(f"changed since {claimed[0]} signed it" if claimed else "signed by no trusted key") from None
    except (AttributeError, Error, LookupError, RecursionError, TypeError, ValueError):
        raise UserError("a signature that cannot be read") from None
    _refuse_other_meaning(envelope.payload_type, envelope.payload, digest)
    return known[next(iter(by))].name


def _refuse_other_meaning(kind: str, payload: bytes, digest: str) -> None:
    """A key may sign many things; only a statement about this very release counts."""
    if kind != PAYLOAD:
        raise UserError(f"signed as {kind}, and not as {PAYLOAD}")
    try:
        said = json.loads(payload)
        kinds, subjects = (said["_type"], said["predicateType"]), [one["digest"]["sha256"] for one in said["subject"]]
    except (LookupError, RecursionError, TypeError, ValueError):
        raise UserError("signed, but not as a statement about a release") from None
    if kinds != (STATEMENT, PROVENANCE):
        raise UserError(f"signed as {kinds[1]}, and not as {PROVENANCE}")
    if subjects != [digest.removeprefix("sha256:")]:
        raise UserError(f"the signature of another release (sha256:{', '.join(map(str, subjects))})")


def _folders(inputs: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What DVC keeps, by the MD5 that it has there."""
    data = inputs.get("data", "{}")
    named = json.loads(data) if data.startswith("{") else {"data": data}
    yield from ((name, md5.removesuffix(".dir")) for name, md5 in {**named, "model": inputs["model"]}.items())


def _builder() -> str:
    """Who built, as a URI: the workflow where one runs."""
    server, workflow = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_WORKFLOW_REF")
    return f"{server}/{workflow}" if server and workflow else f"{BUILD}#by-hand"

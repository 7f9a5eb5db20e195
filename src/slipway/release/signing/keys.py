"""The signing key and the trusted keys of releases: PEM files, such as `slipway release key` writes.

$SLIPWAY_SIGNING_KEY   the private key, as a file or as text; without it, releases are not signed
$SLIPWAY_TRUSTED_KEYS  public keys, as a file or a folder of *.pem; by default the folder TRUSTED of the checkout, which
                       code owners review. With any trusted key, a release that none of them signed is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import ArgumentError, MissingFileError, UnreadableFileError
from slipway.files import write_bytes, write_new

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, Key

SIGNING_KEY = "SLIPWAY_SIGNING_KEY"
TRUSTED_KEYS = "SLIPWAY_TRUSTED_KEYS"
TRUSTED = Path(".github/trusted-keys")
KEY_ID_DIGITS = 8  # of a key's id in the names of its files; each signature has the full id
PEM = "-----BEGIN"


@dataclass(frozen=True)
class Trusted:
    """A trusted public key and the name of its file."""

    name: str
    key: Key


def trusted(root: Path) -> list[Trusted]:
    """Return the trusted keys, empty when none are configured. Raises UserError when a key cannot be read."""
    configured = os.environ.get(TRUSTED_KEYS)
    path = Path(configured) if configured else root / TRUSTED
    files = sorted(path.glob("*.pem")) if path.is_dir() else [path] if configured else []
    if configured and not files:
        raise MissingFileError(
            f"{TRUSTED_KEYS}={configured}: contains no *.pem; add a public key, or unset the variable"
        )
    return [Trusted(file.stem, _public(file)) for file in files]


def signer() -> CryptoSigner | None:
    """Return the signer of $SLIPWAY_SIGNING_KEY; None when it is unset. Raises UserError, without quoting the key."""
    key = os.environ.get(SIGNING_KEY)
    if not key:
        return None
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        content = key.encode() if key.lstrip().startswith(PEM) else Path(key).read_bytes()
        return CryptoSigner(load_pem_private_key(content, None))
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm):
        raise UnreadableFileError(
            f"{SIGNING_KEY}: neither an unencrypted private key in PEM nor a file with one;"
            " create a key with `slipway release key FILE`"
        ) from None


def make(root: Path, private: Path) -> tuple[str, Path]:
    """Create an Ed25519 key pair: the file `private`, readable by its owner only, and a public key in TRUSTED.

    Returns the key's id and the file of the public key. Raises UserError.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from securesystemslib.signer import CryptoSigner

    if private.resolve().is_relative_to(root.resolve()):
        raise ArgumentError(f"{private}: inside the checkout, where it could be committed; name a file outside of it")
    key = Ed25519PrivateKey.generate()
    signer = CryptoSigner(key)
    _write_private(private, signer.private_bytes)
    public = root / TRUSTED / f"{signer.public_key.keyid[:KEY_ID_DIGITS]}.pem"
    write_bytes(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return signer.public_key.keyid, public


def _write_private(file: Path, content: bytes) -> None:
    try:
        write_new(file, content, mode=0o600)
    except FileExistsError:
        raise ArgumentError(f"{file}: exists already and may be a key in use; name another file") from None
    except OSError as error:
        raise UnreadableFileError(f"{file}: {error.strerror}; name a writable file") from None


def _public(file: Path) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(file.read_bytes()))
    except (OSError, ValueError, UnsupportedAlgorithm):
        raise UnreadableFileError(
            f"{file}: not a public key in PEM; replace it (`slipway release key`) or remove it"
        ) from None

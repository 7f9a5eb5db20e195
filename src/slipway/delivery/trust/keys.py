"""Keys that releases are signed with, and those that are trusted: PEM files, as `slipway release key` makes them.

$SLIPWAY_SIGNING_KEY   the private key, a file or the text itself; without it, releases are not signed
$SLIPWAY_TRUSTED_KEYS  public keys, a file or a folder of *.pem; else the folder TRUSTED of the checkout, whose owners
                       review it. Where there is one, a release that none of them has signed is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.files import write_bytes, write_new

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, Key

SIGNING_KEY = "SLIPWAY_SIGNING_KEY"
TRUSTED_KEYS = "SLIPWAY_TRUSTED_KEYS"
TRUSTED = Path(".github/trusted-keys")
SHORT = 8  # digits of a key's id that name its files; the whole id is in each signature
PEM = "-----BEGIN"


@dataclass(frozen=True)
class Trusted:
    """A public key, and what its file is called."""

    name: str
    key: Key


def trusted(root: Path) -> list[Trusted]:
    """Every trusted key; none where none is configured. Raises UserError when one that is named cannot be read."""
    named = os.environ.get(TRUSTED_KEYS)
    place = Path(named) if named else root / TRUSTED
    files = sorted(place.glob("*.pem")) if place.is_dir() else [place] if named else []
    if named and not files:
        raise UserError(f"{TRUSTED_KEYS}={named}: holds no *.pem; put a public key there, or unset the variable")
    return [Trusted(file.stem, _public(file)) for file in files]


def signer() -> CryptoSigner | None:
    """What signs; None without a key. Raises UserError, which never repeats the key."""
    given = os.environ.get(SIGNING_KEY)
    if not given:
        return None
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        content = given.encode() if given.lstrip().startswith(PEM) else Path(given).read_bytes()
        return CryptoSigner(load_pem_private_key(content, None))
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm):
        raise UserError(
            f"{SIGNING_KEY}: neither a private key in PEM nor a file that holds one, without a password;"
            " `slipway release key FILE` makes one"
        ) from None


def make(root: Path, private: Path) -> tuple[str, Path]:
    """Make a key pair (Ed25519): `private`, which only its owner may read, and the public one among those in TRUSTED.

    Returns the key's id and the file of the public one. Raises UserError.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from securesystemslib.signer import CryptoSigner

    if private.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{private}: in the checkout, where it may be committed; name a file outside of it")
    own = Ed25519PrivateKey.generate()
    made = CryptoSigner(own)
    _write_private(private, made.private_bytes)
    public = root / TRUSTED / f"{made.public_key.keyid[:SHORT]}.pem"
    write_bytes(public, own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return made.public_key.keyid, public


def _write_private(file: Path, content: bytes) -> None:
    try:
        write_new(file, content, mode=0o600)
    except FileExistsError:
        raise UserError(f"{file}: there already, and perhaps a key in use; name another file") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; name a file that can be written") from None


def _public(file: Path) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(file.read_bytes()))
    except (OSError, ValueError, UnsupportedAlgorithm):
        raise UserError(f"{file}: no public key in PEM; `slipway release key` writes one, or remove it") from None

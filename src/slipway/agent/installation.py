"""Installation of a release on this machine: verified files, and a Python environment for its requirements."""

from __future__ import annotations

import shutil
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import files
from slipway.errors import DigestMismatchError, RejectedError, UserError
from slipway.files import locks, sha256
from slipway.git import Git
from slipway.release import manifest, packages
from slipway.release.signing import attestation, keys, signature
from slipway.release.store import fetch
from slipway.schema.contract import breaking_changes
from slipway.serving import prediction_log

if TYPE_CHECKING:
    from slipway.environment.place import Place
    from slipway.environment.spec import EnvironmentFile
    from slipway.release.manifest import Release
    from slipway.release.store import Store

ATTESTED = ".attested"
COMPLETE = ".complete"  # inventory of the environment, written last, so that a killed installation is not complete


def folder(place: Place, digest: str) -> Path:
    """Return the folder of an installed release."""
    return place.releases / digest.removeprefix("sha256:")


def is_installed(place: Place, digest: str) -> bool:
    """Return whether a release is installed, without hashing its files as `verified` does."""
    path = folder(place, digest)
    try:
        return _is_complete(_environment(place, path)) and (path / manifest.MANIFEST).exists()
    except FileNotFoundError:
        return False


def install(place: Place, store: Store, content: EnvironmentFile) -> None:
    """Install a release. Raises UserError if it is missing, fails verification or cannot be installed."""
    _install_requirements(place, install_files(place, store, content))


def install_files(place: Place, store: Store, content: EnvironmentFile) -> Release:
    """Install and return the files of a release. Raises UserError if it is missing or fails verification."""
    _refuse_unsigned(place, store, content)
    target = folder(place, content.digest)
    try:
        verified_release = manifest.verify(target, content.digest)
    except UserError:
        shutil.rmtree(target, ignore_errors=True)
        verified_release = fetch(store, content.release, content.digest, target)
        _refuse_other_commit(verified_release, content)
    _refuse_unattested(verified_release, store)
    return verified_release


def refuse_untrusted(place: Place, store: Store, content: EnvironmentFile) -> None:
    """Raise UserError if an installed release is no longer trusted, for example after a key was removed."""
    _refuse_unsigned(place, store, content)
    if not attestation.is_required():
        return
    try:
        installed = manifest.verify(folder(place, content.digest), content.digest)
    except UserError:
        return  # the next installation fetches the release and checks its attestation
    _refuse_unattested(installed, store)


def verified(place: Place, digest: str) -> Release:
    """Return the installed release after hashing every file. Removes it and raises UserError if a file has changed."""
    path = folder(place, digest)
    try:
        return manifest.verify(path, digest)
    except UserError:
        shutil.rmtree(path, ignore_errors=True)
        raise


def command(place: Place, installed: Release, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the command line and environment of the release's manifest for a service at `port`."""
    python, scratch = _environment(place, installed.folder), _scratch(place, port)
    line, variables = packages.command(installed, python, port, scratch)
    log = {prediction_log.FOLDER_VARIABLE: str(place.predictions)}  # each environment has its own
    return line, {**variables, **log}


def contract_changes(place: Place, before: str, after: str) -> list[str]:
    """Return what clients of one installed release must do to use the service of another.

    `before` and `after` are digests. A release that was built without its contract changes nothing that is known.
    """
    old, new = (manifest.read_contract(folder(place, digest)) for digest in (before, after))
    return [] if old is None or new is None else breaking_changes(old, new)


def sweep(place: Place) -> None:
    """Remove the partial downloads of killed installations. The caller must hold the lock of the environment."""
    for incoming in place.releases.glob(".incoming-*"):
        shutil.rmtree(incoming, ignore_errors=True)


def clear_scratch(place: Place, port: int) -> None:
    """Remove the scratch folder of a service that has ended."""
    shutil.rmtree(_scratch(place, port), ignore_errors=True)


def _scratch(place: Place, port: int) -> Path:
    """Return the scratch folder of one service. It is not shared, because its metrics would add up."""
    return place.root / "scratch" / str(port)


def _refuse_other_commit(fetched: Release, content: EnvironmentFile) -> None:
    if fetched.commit != content.commit:
        shutil.rmtree(fetched.folder, ignore_errors=True)
        raise DigestMismatchError(
            f"{content.release}: was built from {fetched.commit}, desired is {content.commit}; refused"
        )


def _refuse_unsigned(place: Place, store: Store, content: EnvironmentFile) -> None:
    """Raise UserError without a valid signature, if keys are trusted.

    An accepted signature is stored on this machine, so that healing does not depend on the store.
    """
    trusted = keys.trusted(Path())
    if not trusted:
        return
    own = folder(place, content.digest).with_suffix(signature.SUFFIX)
    candidates = chain([own.read_bytes()] if own.is_file() else [], signature.of_release(store, content.release))
    files.write_text(own, signature.verify(content.release, content.digest, candidates, trusted)[1])


def _refuse_unattested(candidate: Release, store: Store) -> None:
    """Raise UserError without a valid attestation, if one is required.

    An attestation is verified once, because it refers to bytes that do not change.
    """
    accepted = candidate.folder.with_suffix(ATTESTED)
    if not attestation.is_required() or accepted.exists():
        return
    try:
        if not attestation.exists(store, candidate.version):
            raise RejectedError(
                f"{candidate.version}: has no attestation from GitHub, and {attestation.REQUIRED} is true; refused"
            )
        files.write_text(accepted, attestation.check(Git(Path()), candidate, store))
    except UserError:
        shutil.rmtree(candidate.folder, ignore_errors=True)
        raise


def _environment(place: Place, path: Path) -> Path:
    return place.environments / sha256(path / manifest.LOCKED)[:32]


def _install_requirements(place: Place, verified_release: Release) -> None:
    """Install the requirements into an environment that all releases with equal requirements share."""
    target = _environment(place, verified_release.folder)
    with locks.take(target.with_suffix(".lock")):
        if _is_complete(target):
            return
        packages.install(verified_release, target)
        files.sync(target)
        files.write_text(target / COMPLETE, "\n".join(_inventory(target)))


def _is_complete(environment: Path) -> bool:
    """Return whether every program and package of the inventory still exists."""
    try:
        return set((environment / COMPLETE).read_text(encoding="utf-8").split("\n")) <= {"", *_inventory(environment)}
    except FileNotFoundError:
        return False


def _inventory(environment: Path) -> list[str]:
    """Return the names of the installed programs and packages."""
    folders = (environment / "bin", *environment.glob("lib/python*/site-packages"))
    return sorted(path.name for folder in folders if folder.is_dir() for path in folder.iterdir())

"""A release made ready to run on this machine: its files verified, its requirements in an environment of their own."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import files
from slipway.delivery import release
from slipway.delivery.agent.router import tool
from slipway.delivery.store import fetch
from slipway.delivery.trust import attestation, keys, signature
from slipway.errors import UserError
from slipway.git import Git
from slipway.serving import prediction_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.home import Place
    from slipway.delivery.release import Release
    from slipway.delivery.store import Store

ATTESTED = ".attested"
COMPLETE = ".complete"  # written last, so that a killed installation is never taken for one; says what belongs to it
NOT_INHERITED = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", keys.SIGNING_KEY}


def folder(place: Place, digest: str) -> Path:
    """Folder of an installed release."""
    return place.releases / digest.removeprefix("sha256:")


def is_installed(place: Place, digest: str) -> bool:
    """Whether a release looks ready to start; `verified` looks closely."""
    path = folder(place, digest)
    try:
        return _is_complete(_environment(place, path)) and (path / release.MANIFEST).exists()
    except FileNotFoundError:
        return False


def install(place: Place, store: Store, content: EnvironmentFile) -> None:
    """Make the release ready. Raises UserError when it is missing, is not what it should be, or cannot be installed."""
    _refuse_unsigned(place, store, content)
    target = folder(place, content.digest)
    try:
        found = release.verify(target, content.digest)
    except UserError:
        shutil.rmtree(target, ignore_errors=True)
        found = fetch(store, content.release, content.digest, target)
        _refuse_other_commit(found, content)
    _refuse_unattested(found, store)
    _install_requirements(place, found)


def refuse_untrusted(place: Place, store: Store, content: EnvironmentFile) -> None:
    """Raise UserError for an installed release that may not be started: a key may have been removed since."""
    _refuse_unsigned(place, store, content)
    if not attestation.is_required():
        return
    try:
        found = release.verify(folder(place, content.digest), content.digest)
    except UserError:
        return  # it is fetched again, and asked for its attestation then
    _refuse_unattested(found, store)


def verified(place: Place, digest: str) -> Release:
    """Return the installed release after checking every byte. Raises UserError; then it is no longer installed."""
    path = folder(place, digest)
    try:
        return release.verify(path, digest)
    except UserError:
        shutil.rmtree(path, ignore_errors=True)
        raise


def command(place: Place, ready: Release, port: int) -> tuple[list[str], dict[str, str]]:
    """Command line and environment that start the release at `port`, as its manifest says."""
    python = _environment(place, ready.folder)
    names = {
        "python": str(python / "bin" / "python"),
        "release": str(ready.folder),
        "port": str(port),
        "scratch": str(_scratch(place, port)),
    }
    service = ready.manifest["service"]
    own = {name: value.format(**names) for name, value in service["environment"].items()}
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    cache = {"PYTHONPYCACHEPREFIX": str(python / "pycache")}  # compiled code must not land among the release's files
    log = {prediction_log.FOLDER: str(place.predictions)}  # each environment has its own
    return [part.format(**names) for part in service["command"]], {**inherited, **cache, **log, **own}


def sweep(place: Place) -> None:
    """Remove what killed installations have left; only for whoever alone installs."""
    for left in place.releases.glob(".incoming-*"):
        shutil.rmtree(left, ignore_errors=True)


def clear_scratch(place: Place, port: int) -> None:
    """Remove what a service that has ended kept beside its release."""
    shutil.rmtree(_scratch(place, port), ignore_errors=True)


def _scratch(place: Place, port: int) -> Path:
    """A folder for one service: two that share one would add up their metrics."""
    return place.root / "scratch" / str(port)


def _refuse_other_commit(found: Release, content: EnvironmentFile) -> None:
    if found.commit != content.commit:
        shutil.rmtree(found.folder, ignore_errors=True)
        raise UserError(f"{content.release}: was built from {found.commit}, desired is {content.commit}; refused")


def _refuse_unsigned(place: Place, store: Store, content: EnvironmentFile) -> None:
    """Where a key is trusted. A signature that was accepted stays here, so that healing does not wait for the store."""
    trusted = keys.trusted(Path())
    if not trusted:
        return
    own = folder(place, content.digest).with_suffix(signature.SUFFIX)
    there = chain([own.read_bytes()] if own.is_file() else [], signature.of_release(store, content.release))
    files.write_text(own, signature.verify(content.release, content.digest, there, trusted)[1])


def _refuse_unattested(found: Release, store: Store) -> None:
    """Where an attestation is required; it is about bytes that do not change, so that it is verified once."""
    accepted = found.folder.with_suffix(ATTESTED)
    if not attestation.is_required() or accepted.exists():
        return
    try:
        if not attestation.is_kept(store, found.version):
            raise UserError(
                f"{found.version}: GitHub attests nothing of it, and {attestation.REQUIRED} is true; refused"
            )
        files.write_text(accepted, attestation.check(Git(Path()), found, store))
    except UserError:
        shutil.rmtree(found.folder, ignore_errors=True)
        raise


def _environment(place: Place, path: Path) -> Path:
    return place.environments / release.sha256(path / release.LOCKED)[:32]


def _install_requirements(place: Place, ready: Release) -> None:
    """Equal requirements share an environment. uv's cache is asked first: then no network is needed."""
    target = _environment(place, ready.folder)
    with _locked(target.with_suffix(".lock")):
        if _is_complete(target):
            return
        shutil.rmtree(target, ignore_errors=True)
        _uv("venv", "--quiet", "--python", _python(ready), str(target))
        arguments = ["pip", "install", "--quiet", "--require-hashes", "--python", str(target / "bin" / "python")]
        arguments += ["--requirements", str(ready.folder / release.LOCKED)]
        try:
            _uv(*arguments, "--offline")
        except UserError:
            _uv(*arguments)
        files.sync(target)
        files.write_text(target / COMPLETE, "\n".join(_inventory(target)))


def _is_complete(environment: Path) -> bool:
    """Whether every program and package that was installed is still there."""
    try:
        return set((environment / COMPLETE).read_text(encoding="utf-8").split("\n")) <= {"", *_inventory(environment)}
    except FileNotFoundError:
        return False


def _inventory(environment: Path) -> list[str]:
    """Names of programs and packages."""
    return sorted(
        path.name for pattern in ("bin/*", "lib/python*/site-packages/*") for path in environment.glob(pattern)
    )


def _python(ready: Release) -> str:
    wanted = ready.manifest["build"]["python"]
    return sys.executable if wanted == f"{sys.version_info.major}.{sys.version_info.minor}" else wanted


def _uv(*arguments: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    done = subprocess.run([tool("uv"), *arguments], capture_output=True, text=True, check=False, env=inherited)
    if done.returncode:
        raise UserError(f"uv {' '.join(arguments[:2])}: {' '.join(done.stderr.split())[:500]}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

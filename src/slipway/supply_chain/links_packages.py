"""The link of the chain from the packages that a release installs to the reviewed lock file."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from slipway.files import sha256
from slipway.release import manifest
from slipway.supply_chain.trace import raise_difference

if TYPE_CHECKING:
    from slipway.release.manifest import Release
    from slipway.supply_chain.trace import Trace

LOCK = "uv.lock"
IMAGE_REQUIREMENTS = "bento/env/python/requirements.txt"
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
REQUIREMENT = re.compile(r"^(?P<package>[^\s;#-][^\s;]*)(?P<rest>.*(?:\n[ \t].*)*)", re.MULTILINE)
UNHASHED_SOURCES = {"archive", "directory", "vcs"}  # of packages in a pylock.toml, other than files with hashes


def packages(trace: Trace) -> str:
    """Check that every file that the release installs is in the reviewed lock file with the same hash."""
    fetched = trace.fetched
    if sha256(fetched.folder / manifest.LOCKED) != fetched.manifest.inputs.requirements:
        raise_difference(manifest.LOCKED, "the release", "its manifest")
    locked, by_agent = _locked(trace), _installed_by_agent(fetched)
    for file, installed in ((manifest.LOCKED, by_agent), (IMAGE_REQUIREMENTS, _installed_in_image(fetched))):
        for package, hashes in installed.items():
            if not hashes or hashes - locked.get(package, set()):
                raise_difference(f"{file}: {package}", "the release", LOCK)
    return f"the files of all {len(by_agent)} packages are in the lock file by hash"


def _locked(trace: Trace) -> dict[str, set[str]]:
    """Return the SHA-256 of each file of each package in the commit's lock file."""
    content = tomllib.loads(trace.read(trace.published.built_from, LOCK).decode())
    locked: dict[str, set[str]] = {}
    for package in [package for package in content.get("package", []) if "version" in package]:
        hashes = {file["hash"].removeprefix("sha256:") for file in _files(package)}
        locked.setdefault(f"{package['name']}=={package['version']}", set()).update(hashes)
    return locked


def _installed_by_agent(fetched: Release) -> dict[str, set[str]]:
    """Return the SHA-256 of each file that an agent may install, by package; none for other sources than files."""
    content = tomllib.loads((fetched.folder / manifest.LOCKED).read_text(encoding="utf-8"))
    return {
        f"{package['name']}=={package.get('version')}": set()
        if UNHASHED_SOURCES & package.keys()
        else {file["hashes"]["sha256"] for file in _files(package)}
        for package in content.get("packages", [])
    }


def _installed_in_image(fetched: Release) -> dict[str, set[str]]:
    """Return the SHA-256 of each file that an image of the Bento installs, by package.

    BentoML lists itself a second time without a hash.
    """
    file = fetched.folder / IMAGE_REQUIREMENTS
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    installed: dict[str, set[str]] = {}
    for requirement in REQUIREMENT.finditer(text):
        installed.setdefault(requirement["package"], set()).update(HASH.findall(requirement["rest"]))
    return installed


def _files(package: dict[str, Any]) -> list[dict[str, Any]]:
    return [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", [])]

"""The link of the chain from what a release installs to the lock that was reviewed."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from slipway.delivery import release
from slipway.delivery.chain.trace import differ
from slipway.files import sha256

if TYPE_CHECKING:
    from slipway.delivery.chain.trace import Trace
    from slipway.delivery.release import Release

LOCK = "uv.lock"
IMAGE_REQUIREMENTS = "bento/env/python/requirements.txt"
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
REQUIREMENT = re.compile(r"^(?P<package>[^\s;#-][^\s;]*)(?P<rest>.*(?:\n[ \t].*)*)", re.MULTILINE)
ELSEWHERE = {"archive", "directory", "vcs"}  # what else a pylock.toml may take a package from


def packages(trace: Trace) -> str:
    """Nothing is installed that the reviewed lock does not name by the same hash."""
    found = trace.whole
    if sha256(found.folder / release.LOCKED) != found.manifest["inputs"]["requirements"]:
        differ(release.LOCKED, "the release", "its manifest")
    locked = _locked(trace)
    for file, installed in ((release.LOCKED, _by_an_agent(found)), (IMAGE_REQUIREMENTS, _in_an_image(found))):
        for package, hashes in installed.items():
            if not hashes or hashes - locked.get(package, set()):
                differ(f"{file}: {package}", "the release", LOCK)
    return f"{len(_by_an_agent(found))} packages, every file by a hash that the lock has"


def _locked(trace: Trace) -> dict[str, set[str]]:
    """SHA-256 of each file of each package in the lock of the commit."""
    content = tomllib.loads(trace.shown(trace.published.built_from, LOCK).decode())
    named = [package for package in content.get("package", []) if "version" in package]
    locked: dict[str, set[str]] = {}
    for package in named:
        hashes = {file["hash"].removeprefix("sha256:") for file in _files(package)}
        locked.setdefault(f"{package['name']}=={package['version']}", set()).update(hashes)
    return locked


def _by_an_agent(found: Release) -> dict[str, set[str]]:
    """The same of what is installed; what comes from elsewhere than from files has no hash."""
    content = tomllib.loads((found.folder / release.LOCKED).read_text(encoding="utf-8"))
    return {
        f"{one['name']}=={one.get('version')}": set()
        if ELSEWHERE & one.keys()
        else {file["hashes"]["sha256"] for file in _files(one)}
        for one in content.get("packages", [])
    }


def _in_an_image(found: Release) -> dict[str, set[str]]:
    """The same of what an image of the Bento installs. BentoML names itself once more, without a hash."""
    file = found.folder / IMAGE_REQUIREMENTS
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    installed: dict[str, set[str]] = {}
    for requirement in REQUIREMENT.finditer(text):
        installed.setdefault(requirement["package"], set()).update(HASH.findall(requirement["rest"]))
    return installed


def _files(package: dict[str, Any]) -> list[dict[str, Any]]:
    return [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", [])]

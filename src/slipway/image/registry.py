"""Registries of images, through skopeo: `oci:FOLDER` on this machine, and any registry by its name."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import tools
from slipway.errors import DigestMismatchError, ToolError
from slipway.git.redact import redacted
from slipway.github import workflows
from slipway.image import platforms
from slipway.image.layout import INDEX_TYPES, Json, Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = "oci:"
GITHUB = "ghcr.io"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")  # registries without TLS
UNKNOWN_TAG = ("manifest unknown", "name unknown", "NAME_UNKNOWN", "MANIFEST_UNKNOWN")
PULLED = "pulled"  # name of an image in the layout into which it is pulled


def push(layout: Layout, descriptor: Json, name: str, tag: str) -> str:
    """Push an image of `layout` to `name:tag` and return its reference by digest. Raises UserError."""
    digest: str = descriptor["digest"]
    if name.startswith(FOLDER):
        target = Layout(_folder(name))
        _copy(layout, target, digest)
        target.name(descriptor, tag)
    else:
        layout.name(descriptor, tag)
        _skopeo(
            "copy", "--preserve-digests", *_tls(name, "dest"), f"oci:{layout.folder}:{tag}", f"docker://{name}:{tag}"
        )
    return f"{name}@{digest}"


def pull(reference: str, layout: Layout) -> Json:
    """Pull an image by digest into `layout`, named PULLED, and return its descriptor. Raises UserError."""
    name, _, digest = reference.partition("@")
    if name.startswith(FOLDER):
        layout.name(_copy(Layout(_folder(name)), layout, digest), PULLED)
    else:
        _skopeo("copy", *_tls(name, "src"), f"docker://{reference}", f"oci:{layout.folder}:{PULLED}")
    descriptor = layout.named(PULLED)
    if descriptor is None:
        raise ToolError(f"{reference}: was not pulled")
    return descriptor


def resolve(name: str, tag: str) -> str | None:
    """Return the digest that a tag names now; None when there is no such tag. Raises UserError."""
    if name.startswith(FOLDER):
        descriptor = Layout(_folder(name)).named(tag)
        return None if descriptor is None else str(descriptor["digest"])
    try:
        return _skopeo("inspect", *_tls(name), "--format", "{{.Digest}}", f"docker://{name}:{tag}").strip()
    except ToolError as error:
        if any(reason in str(error) for reason in UNKNOWN_TAG):
            return None
        raise


def _copy(source: Layout, target: Layout, digest: str) -> Json:
    """Copy the manifest, the configuration and the layers of an image, each verified, and return its descriptor."""
    manifest = source.read_json(digest)
    if manifest.get("mediaType") in INDEX_TYPES:
        raise DigestMismatchError(f"{digest}: an index of several images; name the image of one platform by its digest")
    for part in [manifest["config"], *manifest["layers"], {"digest": digest}]:
        source.check(part["digest"])
        target.add_file(source.blob(part["digest"]), part["digest"])
    return {"mediaType": manifest["mediaType"], "digest": digest, "size": source.blob(digest).stat().st_size}


def _folder(name: str) -> Path:
    return Path(name.removeprefix(FOLDER))


def _tls(name: str, side: str = "") -> Sequence[str]:
    """Return skopeo's option for a registry on loopback, which has no certificate."""
    host = name.split("/")[0].rpartition(":")[0] or name.split("/")[0]
    option = f"{side}-tls-verify" if side else "tls-verify"
    return [f"--{option}=false"] if host in LOOPBACK else []


def _skopeo(*arguments: str) -> str:
    """Run skopeo and return its output. Digests are the only policy: this machine's needs a file in /etc."""
    platform = platforms.host()
    chosen = ["--override-os", platform["os"], "--override-arch", platform["architecture"]]  # of an index of several
    command = [tools.require("skopeo"), "--insecure-policy", *chosen, *arguments]
    with _credentials(arguments) as environment:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(
            f"{arguments[0]} by skopeo: {redacted((done.stderr.strip().splitlines() or ['no reason given'])[-1])}"
        )
    return done.stdout


@contextmanager
def _credentials(arguments: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the environment of skopeo: for GITHUB in a workflow, it names a file with the built-in token."""
    token, user = workflows.token(), workflows.actor()
    if not (token and user and any(argument.startswith(f"docker://{GITHUB}/") for argument in arguments)):
        yield dict(os.environ)
        return
    login = base64.b64encode(f"{user}:{token}".encode()).decode()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "auth.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"auths": {GITHUB: {"auth": login}}}), encoding="utf-8")
        yield os.environ | {"REGISTRY_AUTH_FILE": str(file)}

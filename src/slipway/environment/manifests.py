"""Manifests: `slipway manifests` renders those for Kubernetes, and `slipway promote` fills in the release.

Those for Knative are one template, `deploy/knative/service.yaml`, which needs no rendering. Only a change of the
overlays needs `kubectl kustomize`; its output is committed in `deploy/rendered/`. A promotion replaces placeholders and
needs no tool. A platform without a template has no manifests.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway import files, tools
from slipway.environment.place import ENVIRONMENTS
from slipway.errors import SettingError, ToolError
from slipway.files import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.environment.spec import EnvironmentFile

SOURCES = ("deploy/base", "deploy/components", "deploy/overlays")
IMAGE = f"image.invalid/slipway@sha256:{'0' * 64}"
"""Placeholder of the release's image; it cannot be pulled, because `.invalid` is no domain (RFC 2606)."""
RELEASE = "RELEASE-VERSION"
DIGEST = "RELEASE-DIGEST"
RENDERED = "# Rendered by `slipway manifests`; edit the sources instead, whose SHA-256 is {sources}\n"
ENVIRONMENT = "ENVIRONMENT-NAME"
NO_IMAGE = "# NO IMAGE: promoted without --image, so the one below cannot be pulled, and what runs keeps running.\n"
"""Part of every promoted manifest, which `slipway verify` compares byte for byte: a change breaks older promotions."""


@dataclass(frozen=True)
class Kind:
    """Manifests of one platform; `head` is their first line, and `sources` the folder that a user edits."""

    template: str
    path: str
    sources: str
    head: str


KUBERNETES = Kind(
    template="deploy/rendered/{environment}.yaml",
    path="environments/{environment}/kubernetes.yaml",
    sources="deploy/base",
    head="# What Kubernetes should run in {environment}: {release}, by `slipway promote` and `slipway rollback`.\n",
)
KNATIVE = Kind(
    template="deploy/knative/service.yaml",
    path="environments/{environment}/knative/service.yaml",  # Argo CD applies the folder above, without this one
    sources="deploy/knative",
    head="# What Knative should run in {environment}: {release}, by `slipway promote` and `slipway rollback`.\n",
)
KINDS = (KUBERNETES, KNATIVE)


def template_of(environment: str, kind: Kind = KUBERNETES) -> str:
    """Return the path of the template in the tree of a release."""
    return kind.template.format(environment=environment)


def path_of(environment: str, kind: Kind = KUBERNETES) -> str:
    """Return the path of an environment's manifests on the branch `deploy`."""
    return kind.path.format(environment=environment)


def fill(template: str, environment: str, content: EnvironmentFile, kind: Kind = KUBERNETES) -> str:
    """Return a template with the release of `content` filled in. Raises UserError without a placeholder."""
    values = {RELEASE: content.release, DIGEST: content.digest, IMAGE: content.image or IMAGE}
    for placeholder in values:
        if placeholder not in template:
            path = template_of(environment, kind)
            raise SettingError(f"{path}: contains no {placeholder}; add it again in {kind.sources}")
    head = kind.head.format(environment=environment, release=content.release) + ("" if content.image else NO_IMAGE)
    text = template.split("\n", 1)[1].replace(ENVIRONMENT, environment)
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return head + text


def render(root: Path) -> list[Path]:
    """Render every overlay in `root` with kustomize and return the written files. Raises UserError."""
    written = []
    for environment in ENVIRONMENTS:
        output = _kustomize(root / "deploy" / "overlays" / environment)
        file = root / template_of(environment)
        files.write_text(file, RENDERED.format(sources=sources_digest(root)) + output)
        written.append(file)
    return written


def is_current(root: Path, environment: str) -> bool:
    """Return whether the template was rendered from the current sources, by comparing hashes."""
    with (root / template_of(environment)).open(encoding="utf-8") as file:
        return file.readline() == RENDERED.format(sources=sources_digest(root))


def sources_digest(root: Path) -> str:
    """Return the SHA-256 over the names and content of all sources of the overlays, in hexadecimal."""
    files = sorted(file for folder in SOURCES for file in (root / folder).rglob("*") if file.is_file())
    lines = (f"{sha256(file)}  {file.relative_to(root).as_posix()}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _kustomize(overlay: Path) -> str:
    command = [tools.require("kubectl"), "kustomize", str(overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{overlay}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout

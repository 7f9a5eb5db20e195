"""`slipway image build` and `slipway image push`: the image of a release, and the evidence about it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import output
from slipway.environment.place import home
from slipway.errors import ArgumentError, NoReleaseError, SettingError
from slipway.files import write_bytes
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.github import workflows
from slipway.image import build, platforms, record, registry
from slipway.image.layout import MANIFEST_TYPE, Json, Layout
from slipway.image.record import ATTESTED, SIGNED, SUFFIX, ImageRecord, LayerRecord
from slipway.release import manifest
from slipway.release.signing import keys
from slipway.release.store import open_store
from slipway.results import recorded

if TYPE_CHECKING:
    from slipway.image.build import Image
    from slipway.release.manifest import Release

ROOT = Path()
LAYOUT = Path("build/image")
IMAGES = "SLIPWAY_IMAGES"
GITHUB = "ghcr:"
GITHUB_REGISTRY = "ghcr.io"
SBOM_TYPE = "application/vnd.cyclonedx+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
OWNER_AND_NAME = re.compile(r"(?:https://|git@)github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?")
MEGABYTE = 1_000_000


def images_name() -> str:
    """Return the name of the images without tag: $SLIPWAY_IMAGES, or by default a folder of this machine.

    `ghcr:` is the package of this repository on GitHub. Raises UserError when it names none.
    """
    name = os.environ.get(IMAGES) or f"{registry.FOLDER}{home() / 'images'}"
    if name != GITHUB:
        return name
    repository = workflows.repository()
    if repository is None:
        raise SettingError(f"{IMAGES}={GITHUB}: names a repository in a workflow only; name it, as ghcr.io/OWNER/NAME")
    return f"{GITHUB_REGISTRY}/{repository.lower()}"


def build_image(folder: Path, base: str | None) -> None:
    """Build the image of the release in `folder` into LAYOUT, and print what each layer is."""
    with recorded("image") as result:
        release = manifest.verify(folder)
        built = build.build(release, base, _source(), Layout(LAYOUT))
        result.evidence = {"release": release.version, "digest": release.digest, "image": built.digest}
        result.verdicts = [Verdict("built", Outcome.PASS, "an image of this release", built.digest)]
    workflows.set_output("name", images_name())
    workflows.set_output("digest", built.digest)
    described = record_of(built, release, images_name())
    lines = [f"{layer.bytes / MEGABYTE:8.1f} MB  {layer.content}" for layer in described.layers]
    text = "\n".join([f"{LAYOUT}: {release.version}, {described.platform}, {built.digest}", *lines])
    output.result(described.model_dump(), text)


def push_image(folder: Path, attestation: Path | None) -> None:
    """Push the image in LAYOUT with its bill of materials, and store the evidence about it with its release."""
    store, signer, release = open_store(), keys.signer(), manifest.verify(folder)
    built = _read(release)
    if release.version not in store.versions():
        raise NoReleaseError(f"{release.version}: not in the store; run `slipway release publish` first")
    if attestation and not attestation.is_file():
        raise ArgumentError(f"--attestation {attestation}: file not found; give the output of actions/attest")
    name = images_name()
    reference = registry.push(built.layout, built.descriptor, name, release.version)
    _push_sbom(built, release, name)
    pushed = record_of(built, release, name)
    with TemporaryDirectory() as scratch:
        evidence = {SUFFIX: record.as_json(pushed)}
        evidence |= {SIGNED: record.sign(pushed, signer)} if signer else {}
        evidence |= {ATTESTED: attestation.read_bytes()} if attestation else {}
        for suffix, content in evidence.items():
            write_bytes(Path(scratch) / pushed.file(suffix), content)
        store.add_evidence(release.version, sorted(Path(scratch).iterdir()))
    workflows.set_output("image", reference)
    output.result(pushed.model_dump(), f"{release.version}: pushed as {reference}")


def _read(release: Release) -> Image:
    """Return the built image of `release`. Raises UserError when LAYOUT has none."""
    layout = Layout(LAYOUT)
    descriptor = layout.named(release.version)
    if descriptor is None:
        raise ArgumentError(f"{LAYOUT}: contains no image of {release.version}; run `slipway image build`")
    labels = layout.read_json(str(descriptor["digest"])).get("annotations", {})
    if labels.get(build.RELEASE_DIGEST) != release.digest:
        raise ArgumentError(f"{LAYOUT}: the image is of another release; run `slipway image build`")
    return build.Image(layout, descriptor)


def record_of(built: Image, release: Release, name: str) -> ImageRecord:
    """Return the record of an image that is pushed to `name`."""
    content = built.layout.read_json(built.digest)
    config = built.layout.read_json(content["config"]["digest"])
    labels = content["annotations"]
    base = "@".join(labels.get(f"{build.OCI}.base.{part}", "") for part in ("name", "digest"))
    count = len(content["layers"])
    names = [*["base"] * (count - len(build.CONTENTS)), *build.CONTENTS]
    diff_ids = config["rootfs"]["diff_ids"]
    layers = [
        LayerRecord(content=name, digest=layer["digest"], diff_id=diff_id, bytes=layer["size"])
        for name, layer, diff_id in zip(names, content["layers"], diff_ids, strict=True)
    ]
    return ImageRecord(
        image=f"{name}@{built.digest}",
        tag=release.version,
        release=release.version,
        release_digest=release.digest,
        platform=platforms.text(config),
        base=base,
        layers=tuple(layers),
    )


def _push_sbom(built: Image, release: Release, name: str) -> None:
    """Push the bill of materials of the release as an artifact whose subject is the image.

    Its tag is the one by which tools find it in a registry that lists no referrers.
    """
    layout = built.layout
    content: Json = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": SBOM_TYPE,
        "config": layout.add(b"{}", EMPTY_TYPE),
        "layers": [layout.add((release.folder / manifest.SBOM).read_bytes(), SBOM_TYPE)],
        "subject": {key: built.descriptor[key] for key in ("mediaType", "digest", "size")},
    }
    tag = f"{built.digest.replace(':', '-')}.sbom"
    registry.push(layout, layout.add_json(content, MANIFEST_TYPE), name, tag)


def _source() -> str | None:
    """Return the URL of the repository on GitHub; None for another one, which differs between clones."""
    if repository := workflows.repository():
        return f"{workflows.server_url()}/{repository}"
    match = OWNER_AND_NAME.fullmatch(Git(ROOT).run("remote", "get-url", "origin"))
    return f"https://github.com/{match[1]}" if match else None

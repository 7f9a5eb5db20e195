"""`slipway image build` and `slipway image push`: the image of a release, and the evidence about it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import output
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.place import home
from slipway.errors import ArgumentError, NoReleaseError, SettingError
from slipway.files import write_bytes
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.github import workflows
from slipway.image import build, platforms, record, registry
from slipway.image.layout import MANIFEST_TYPE, Json, Layout
from slipway.image.record import ATTESTED, SIGNED, SUFFIX, ImageRecord, LayerRecord
from slipway.release import champion, manifest
from slipway.release.evidence import unless_immutable
from slipway.release.signing import keys
from slipway.release.store import open_store
from slipway.release.store.files import replace
from slipway.results import Subject, recorded

if TYPE_CHECKING:
    from slipway.image.build import Image
    from slipway.release.manifest import Release
    from slipway.release.store import Store
    from slipway.results import JobResult

ROOT = Path()
LAYOUT = Path("build/image")
IMAGES = "SLIPWAY_IMAGES"
NONE = "none"
GITHUB = "ghcr:"
SBOM_TYPE = "application/vnd.cyclonedx+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
OWNER_AND_NAME = re.compile(r"(?:https://|git@)github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?")
MEGABYTE = 1_000_000


def images_name() -> str:
    """Return the name of the images without tag: $SLIPWAY_IMAGES, or by default a folder of this machine.

    `ghcr:` is the package of this repository on GitHub. Raises UserError outside of a workflow.
    """
    name = os.environ.get(IMAGES) or f"{registry.FOLDER}{home() / 'images'}"
    if name != GITHUB:
        return name
    repository = workflows.repository()
    if repository is None:
        raise SettingError(f"{IMAGES}={GITHUB}: names a repository in a workflow only; name it, as ghcr.io/OWNER/NAME")
    return f"{registry.GITHUB}/{repository.lower()}"


def build_image(folder: Path, base: str | None, version: str | None = None) -> None:
    """Build the image of the release in `folder` into LAYOUT, and print what each layer is.

    `version`, or the commit of a release, is first fetched from the store into `folder`. If an image of it was already
    pushed, that one remains the image of the release.
    """
    with recorded("image") as result:
        if os.environ.get(IMAGES) == NONE:
            _skip(result)
            return
        release = _fetched(folder, version) if version else manifest.verify(folder)
        result.evidence = Subject(release=release.version, digest=release.digest)
        pushed = _pushed(open_store(), release) if version else None
        image = pushed or record_of(build.build(release, base, _source(), Layout(LAYOUT)), release, images_name())
        result.verdicts = [Verdict("built", Outcome.PASS, "an image of this release", image.digest)]
    for output_name, value in {"built": str(not pushed).lower(), "name": image.name, "digest": image.digest}.items():
        workflows.set_output(output_name, value)
    lines = [f"{layer.bytes / MEGABYTE:8.1f} MB  {layer.content}" for layer in image.layers]
    place = f"{image.name}, already pushed" if pushed else LAYOUT
    text = "\n".join([f"{place}: {release.version}, {image.platform}, {image.digest}", *lines])
    output.result(image.model_dump(), text)


def push_image(folder: Path, attestation: Path | None) -> None:
    """Push the image in LAYOUT with its bill of materials, and store the evidence about it with its release.

    Another image of the release that was already pushed to the same name stays, because its tag must not move.
    """
    with recorded("push") as result:
        if os.environ.get(IMAGES) == NONE:
            _skip(result)
            return
        store, release = open_store(), manifest.verify(folder)
        result.evidence = Subject(release=release.version, digest=release.digest)
        pushed = _pushed(store, release)
        if pushed is None or _is_built(pushed):
            pushed = _push(store, release, attestation)
        result.verdicts = [Verdict("pushed", Outcome.PASS, "an image by digest", pushed.image)]
    workflows.set_output("image", pushed.image)
    output.result(pushed.model_dump(), f"{release.version}: pushed as {pushed.image}")


def _skip(result: JobResult) -> None:
    """Record that no image is requested."""
    result.verdicts = [Verdict("requested", Outcome.PASS, f"{IMAGES} names a registry", f"{NONE}: no image")]
    output.result(result, f"{IMAGES}={NONE}: skipped; manifests name no image")


def _fetched(folder: Path, name: str) -> Release:
    """Fetch the release `name`, a version or a commit, into `folder`, verified. Raises UserError."""
    branch = DeployBranch(Git(ROOT))
    branch.fetch()
    published = branch.named(name)
    return replace(folder, lambda target: champion.fetch_published(published, target))


def _pushed(store: Store, release: Release) -> ImageRecord | None:
    """Return the image of `release` that was pushed to `images_name()`, if its tag still names it."""
    name = images_name()
    pushed = (image for image in record.read_all(store, release.version) if image.name == name)
    return next((image for image in pushed if registry.resolve(name, image.tag) == image.digest), None)


def _is_built(image: ImageRecord) -> bool:
    """Return whether LAYOUT contains an image, so that its evidence can be completed."""
    descriptor = Layout(LAYOUT).named(image.tag)
    return descriptor is not None and descriptor["digest"] == image.digest


def _push(store: Store, release: Release, attestation: Path | None) -> ImageRecord:
    signer, built, name = keys.signer(), _read(release), images_name()
    if release.version not in store.versions():
        raise NoReleaseError(f"{release.version}: not in the store; run `slipway release publish` first")
    if attestation and not attestation.is_file():
        raise ArgumentError(f"--attestation {attestation}: file not found; give the output of actions/attest")
    registry.push(built.layout, built.descriptor, name, release.version)
    _push_sbom(built, release, name)
    pushed = record_of(built, release, name)
    with TemporaryDirectory() as scratch:
        evidence = {SUFFIX: record.as_json(pushed)}
        evidence |= {SIGNED: record.sign(pushed, signer)} if signer else {}
        evidence |= {ATTESTED: attestation.read_bytes()} if attestation else {}
        for suffix, content in evidence.items():
            write_bytes(Path(scratch) / pushed.file(suffix), content)
        with unless_immutable("The manifests will name no image."):
            store.add_evidence(release.version, sorted(Path(scratch).iterdir()))
    return pushed


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

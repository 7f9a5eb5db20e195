"""Verification of a pushed image: from the image to its layers, and from these to the files of the release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.errors import DigestMismatchError, RejectedError, UserError
from slipway.image import base as bases
from slipway.image import build, layers, platforms, registry
from slipway.image.base import Base

if TYPE_CHECKING:
    from slipway.image.layers import Layer
    from slipway.image.layout import Json, Layout
    from slipway.image.record import ImageRecord
    from slipway.release.manifest import Release

OWN_LAYERS = len(build.CONTENTS)


class UnknownBaseError(Exception):
    """Nobody vouches for the base of an image, so its Python must not run here."""


@dataclass(frozen=True)
class PulledLayer:
    """A pulled layer that was hashed, compressed and not."""

    digest: str
    diff_id: str


@dataclass(frozen=True)
class PulledImage:
    """An image that was pulled and compared with its release as far as that runs no program of it."""

    record: ImageRecord
    release: Release
    base: Base
    own: dict[str, PulledLayer]
    """Each layer above the base, by its content."""

    @property
    def layout(self) -> Layout:
        """Return the layout into which the image was pulled."""
        return self.base.layout


def pull(record: ImageRecord, release: Release, layout: Layout) -> PulledImage:
    """Pull an image into `layout`, and compare tag, platform, configuration and model with `release`.

    Runs no program of the image. Raises UserError.
    """
    _refuse_moved_tag(record)
    content = _pull(record, layout)
    config = layout.read_json(content["config"]["digest"])
    _refuse_other_platform(record, config)
    _refuse_other_release(config, release)
    diff_ids = _diff_ids(content, config, layout)
    digests = [layer["digest"] for layer in content["layers"]]
    own = [PulledLayer(*hashes) for hashes in zip(digests, diff_ids, strict=True)][-OWN_LAYERS:]
    base = Base(layout, content["layers"][:-OWN_LAYERS], diff_ids[:-OWN_LAYERS], record.base)
    pulled = PulledImage(record, release, base, dict(zip(build.CONTENTS, own, strict=True)))
    _refuse_other_layer(build.MODEL, build.model_layer(release), layout, pulled.own[build.MODEL])
    if config != build.configuration(release, diff_ids, config["config"]["Labels"]):
        raise RejectedError(f"{record.image}: its configuration is not the one that the release builds")
    return pulled


def rebuild(image: PulledImage, *, is_vouched: bool) -> str:
    """Build every layer above the base again, and compare it. Raises UserError.

    The base's own Python compiles the modules, so it must be trusted: the image is signed or attested, or its base is
    the one that this machine makes. Raises UnknownBaseError for any other base.
    """
    if not is_vouched and not _is_made_here(image.base):
        raise UnknownBaseError
    for name, layer in build.own_layers(image.release, image.base).items():
        _refuse_other_layer(name, layer, image.layout, image.own[name])
    return f"{image.record.image}: {OWN_LAYERS} layers equal the release's, on {len(image.base.layers)} of its base"


def _is_made_here(base: Base) -> bool:
    """Return whether a base without a name is the one that this machine makes from its distribution."""
    if not base.reference.startswith("@"):
        return False
    try:
        return bases.make(base.layout).diff_ids == base.diff_ids
    except UserError:
        return False


def _refuse_moved_tag(record: ImageRecord) -> None:
    tagged = registry.resolve(record.name, record.tag)
    if tagged != record.digest:
        raise RejectedError(f"{record.name}:{record.tag}: the tag was moved to {tagged}, expected {record.digest}")


def _pull(record: ImageRecord, layout: Layout) -> Json:
    digest = registry.pull(record.image, layout)["digest"]
    if digest != record.digest:
        raise DigestMismatchError(f"{record.image}: the registry returned {digest}; refused")
    return layout.read_json(digest)


def _refuse_other_platform(record: ImageRecord, config: Json) -> None:
    expected, actual = platforms.text(platforms.host()), platforms.text(config)
    if actual != expected:
        raise RejectedError(f"{record.image}: wrong platform {actual}, expected {expected}")


def _refuse_other_release(config: Json, release: Release) -> None:
    labels = config.get("config", {}).get("Labels") or {}
    named = labels.get(build.RELEASE_DIGEST)
    if named != release.digest:
        raise RejectedError(f"the image was built from release {named}, expected {release.digest}")


def _diff_ids(content: Json, config: Json, layout: Layout) -> list[str]:
    """Return the digest of each archive, computed from the pulled layers and compared with the configuration."""
    listed = config["rootfs"]["diff_ids"]
    computed = []
    for number, layer in enumerate(content["layers"], 1):
        layout.check(layer["digest"])
        computed.append(layers.diff_id(layout.blob(layer["digest"])))
        if computed[-1] != listed[number - 1]:
            raise DigestMismatchError(f"layer {number} of the image: its archive is {computed[-1]}; refused")
    if len(computed) != len(listed) or len(computed) <= OWN_LAYERS:
        raise RejectedError(f"the image has {len(computed)} layers, and its configuration lists {len(listed)}")
    return computed


def _refuse_other_layer(name: str, expected: Layer, layout: Layout, pulled: PulledLayer) -> None:
    """Raise UserError naming the first file in which a layer differs from the release's."""
    if pulled.diff_id == expected.diff_id:
        return
    pushed, built = layers.hashes(layout.blob(pulled.digest)), layers.hashes(expected.file)
    paths = sorted(path for path in pushed.keys() | built.keys() if pushed.get(path) != built.get(path))
    differing = paths[0] if paths else "the order or the permissions of its files"
    raise DigestMismatchError(f"layer `{name}` of the image differs from the release: {differing}")

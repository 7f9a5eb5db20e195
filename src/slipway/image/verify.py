"""Verification of a pushed image: from the image to its layers, and from these to the files of the release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.errors import DigestMismatchError, RejectedError
from slipway.image import build, layers, platforms, registry
from slipway.image.base import Base

if TYPE_CHECKING:
    from slipway.image.layers import Layer
    from slipway.image.layout import Json, Layout
    from slipway.image.record import ImageRecord
    from slipway.release.manifest import Release

OWN_LAYERS = len(build.CONTENTS)


def verify(record: ImageRecord, release: Release, layout: Layout) -> str:
    """Pull an image into `layout`, and compare it with the image that `release` builds. Raises UserError.

    Every layer above the base is built again from the release. The base has no source here: the image names
    it, and the signature or the attestation of the image vouches for it.
    """
    _refuse_moved_tag(record)
    content = _pull(record, layout)
    config = layout.read_json(content["config"]["digest"])
    _refuse_other_platform(record, config)
    _refuse_other_release(config, release)
    diff_ids = _diff_ids(content, config, layout)
    base = Base(layout, content["layers"][:-OWN_LAYERS], diff_ids[:-OWN_LAYERS], "")
    rebuilt = build.own_layers(release, base)
    for (name, layer), descriptor in zip(rebuilt.items(), content["layers"][-OWN_LAYERS:], strict=True):
        _refuse_other_layer(name, layer, layout, descriptor["digest"])
    if config != build.configuration(release, diff_ids, config["config"]["Labels"]):
        raise RejectedError(f"{record.image}: its configuration is not the one that the release builds")
    return f"{record.image}: {OWN_LAYERS} layers equal the release's, on {len(base.layers)} of its base"


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


def _refuse_other_layer(name: str, expected: Layer, layout: Layout, digest: str) -> None:
    """Raise UserError naming the first file in which a layer differs from the release's."""
    if layers.diff_id(layout.blob(digest)) == expected.diff_id:
        return
    pushed, built = layers.hashes(layout.blob(digest)), layers.hashes(expected.file)
    paths = sorted(path for path in pushed.keys() | built.keys() if pushed.get(path) != built.get(path))
    differing = paths[0] if paths else "the order or the permissions of its files"
    raise DigestMismatchError(f"layer `{name}` of the image differs from the release: {differing}")

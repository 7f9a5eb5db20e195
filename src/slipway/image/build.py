"""`slipway image build`: the image of a release, from its own files, without a daemon, a container or root.

Layers, from the one that changes least: the base, the packages, the code of the service, the model. Equal inputs give
the same digest on every machine with the same zlib, and the same `diff_id` of each layer on every machine.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from slipway.files import sha256
from slipway.image import base as bases
from slipway.image import cache, packages, platforms
from slipway.image.layout import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Json, Layout
from slipway.release import manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from slipway.image.base import Base
    from slipway.image.layers import Layer
    from slipway.image.python import ImagePython
    from slipway.release.manifest import Release

BENTO = "app/bento"
SOURCE = "bento/src"
USER = "10001:10001"
PORT = 3000
RELEASE_DIGEST = "slipway.release.digest"
OCI = "org.opencontainers.image"
MODEL = "model"
TRAINED = (MODEL, "build")
"""Folders of a Bento with outputs of the pipeline, which differ between releases; earlier releases lack the second."""
CONTENTS = ("packages", "code", MODEL)
"""Layers above the base, from the one that changes least."""

RECIPE = 2
"""Version of the rules in this module. Raise it with each change of what the code or the model layer contains."""

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "BENTOML_HOME": "/tmp/bentoml",  # noqa: S108  inside the image
    "BENTOML_CONTAINERIZED": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "HOME": "/tmp",  # noqa: S108  inside the image
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Image:
    """An image in a layout."""

    layout: Layout
    descriptor: Json

    @property
    def digest(self) -> str:
        """Return the digest of the image, which pins all of its content."""
        return str(self.descriptor["digest"])


def build(release: Release, base: str | None, source: str | None, layout: Layout) -> Image:
    """Build the image of `release` into `layout`, and return it. Raises UserError.

    base: reference by digest, or None for the packages of this distribution. source: URL of the repository, or None.
    """
    fetched = bases.fetch(base, layout)
    built = own_layers(release, fetched)
    for layer in built.values():
        layout.add_file(layer.file, layer.digest)
    labels = _labels(release, fetched.reference, source)
    config = layout.add_json(configuration(release, [*fetched.diff_ids, *_diff_ids(built)], labels), CONFIG_TYPE)
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config,
        "layers": [*fetched.layers, *map(_descriptor, built.values())],
        "annotations": labels,
    }
    descriptor = layout.add_json(content, MANIFEST_TYPE)
    layout.name(descriptor, release.version)
    return Image(layout, descriptor)


def own_layers(release: Release, base: Base) -> dict[str, Layer]:
    """Return the layers of a release above `base`, by their content. Raises UserError."""
    locked, code = release.folder / manifest.LOCKED, release.folder / SOURCE
    files = {name: digest for name, digest in release.manifest.files.items() if _is_code(name)}
    return {
        "packages": cache.layer(
            [packages.RECIPE, base.diff_ids, platforms.of_uv(), sha256(locked)],
            lambda root: _with_python(base, lambda python: packages.fill(locked, python, root)),
        ),
        "code": cache.layer(
            [RECIPE, base.diff_ids, sorted(files.items())],
            lambda root: _with_python(base, lambda python: _fill_code(code, python, root)),
        ),
        MODEL: model_layer(release),
    }


def model_layer(release: Release) -> Layer:
    """Return the layer of a release with its model, for which no program of the base runs. Raises UserError."""
    return cache.layer([RECIPE, release.digest], lambda root: _fill_model(release.folder / "bento", root))


def _with_python(base: Base, fill: Callable[[ImagePython], None]) -> None:
    with base.python() as python:
        fill(python)


def _is_code(name: str) -> bool:
    return name.startswith(f"{SOURCE}/") and not name.startswith(tuple(f"{SOURCE}/{folder}/" for folder in TRAINED))


def _fill_code(source: Path, python: ImagePython, root: Path) -> None:
    """Copy the code and the parameters of the service below `root`, and compile them."""
    target = root / BENTO / "src"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in TRAINED:
        shutil.rmtree(target / folder, ignore_errors=True)
    python.compile(target, f"/{BENTO}/src")


def _fill_model(bento: Path, root: Path) -> None:
    """Copy what differs between releases below `root`: outputs of the pipeline, and the version in bento.yaml."""
    for folder in TRAINED:
        if (bento / "src" / folder).is_dir():
            shutil.copytree(bento / "src" / folder, root / BENTO / "src" / folder)
    shutil.copyfile(bento / "bento.yaml", root / BENTO / "bento.yaml")


def _labels(release: Release, base: str, source: str | None) -> dict[str, str]:
    name, _, digest = base.partition("@")
    listed = {
        "title": "slipway",
        "version": release.version,
        "revision": release.commit,
        "created": release.manifest.built,
        "licenses": " ".join(metadata.metadata("slipway").get_all("License-Expression") or []),
        "source": source,
        "base.name": name,
        "base.digest": digest,
    }
    labels = {f"{OCI}.{key}": value for key, value in listed.items() if value}
    return {**labels, RELEASE_DIGEST: release.digest}


def configuration(release: Release, diff_ids: list[str], labels: dict[str, str]) -> Json:
    """Return the configuration of an image, which nothing but its arguments determines."""
    settings = {
        "User": USER,
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "WorkingDir": f"/{BENTO}",
        **_command(release),
        "ExposedPorts": {f"{PORT}/tcp": {}},
        "Labels": labels,
    }
    created, rootfs = release.manifest.built, {"type": "layers", "diff_ids": diff_ids}
    names = ["base"] * (len(diff_ids) - len(CONTENTS)) + [*CONTENTS]
    history = [{"created": created, "created_by": "slipway image build", "comment": name} for name in names]
    return {**platforms.host(), "created": created, "config": settings, "rootfs": rootfs, "history": history}


def _command(release: Release) -> Json:
    """Return the command of an image. A release of an earlier version of the template has no entry point of its own."""
    python, address = f"/{packages.VENV}/bin/python", ["--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104
    if (release.folder / "bento" / manifest.ENTRY_POINT).is_file():
        return {"Entrypoint": [python, "-P", f"/{BENTO}/{manifest.ENTRY_POINT}"]}
    return {"Entrypoint": [python, "-m", "bentoml", "serve", f"/{BENTO}"], "Cmd": address}


def _diff_ids(built: dict[str, Layer]) -> list[str]:
    return [layer.diff_id for layer in built.values()]


def _descriptor(layer: Layer) -> Json:
    return {"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}

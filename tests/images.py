"""What tests of container images share: a small base, and a registry on loopback."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from slipway.image import layers
from slipway.image.layout import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Layout
from slipway.local.images import start_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def base_of(folder: Path) -> str:
    """Make a base in `folder`, whose Python compiles nothing, and return its reference."""
    root, layout = folder / "root", Layout(folder / "base")
    loader = root / "lib64/ld-linux-none.so.2"
    compiled = folder / "compiled"  # by the Python of the base, as it runs
    for path, text in {loader: f"#!/bin/sh\necho >> {compiled}\n", root / "usr/bin/python3.12": ""}.items():
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    layer = layers.pack(root, folder / "layer.tar.gz")
    layout.add_file(layer.file, layer.digest)
    config = layout.add_json({"rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}}, CONFIG_TYPE)
    content = {
        "mediaType": MANIFEST_TYPE,
        "config": config,
        "layers": [{"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}],
    }
    return f"oci:{layout.folder}@{layout.add_json(content, MANIFEST_TYPE)['digest']}"


@contextmanager
def running_registry(folder: Path, settings: Mapping[str, object] | None = None) -> Iterator[str]:
    """Start a registry with its files in `folder`, yield its address, and stop it."""
    address, process = start_registry(folder, os.environ, settings)
    try:
        yield address
    finally:
        process.terminate()
        process.wait(20)

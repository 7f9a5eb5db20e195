"""An OCI image layout: a folder of blobs by SHA-256, and an index that names one image (OCI image spec 1.1)."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway import files
from slipway.errors import DigestMismatchError, MissingFileError, UnreadableFileError
from slipway.files import sha256

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
REF_NAME = "org.opencontainers.image.ref.name"

Json = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """An OCI image layout in `folder`."""

    folder: Path

    def blob(self, digest: str) -> Path:
        """Return the path of a blob, whether it exists or not."""
        algorithm, _, value = digest.partition(":")
        return self.folder / "blobs" / algorithm / value

    def add(self, content: bytes, media_type: str) -> Json:
        """Store a blob and return its descriptor."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        files.write_bytes(self.blob(digest), content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def add_json(self, content: Json, media_type: str) -> Json:
        """Store JSON as a blob, in one form for equal content, and return its descriptor."""
        return self.add(json.dumps(content, sort_keys=True, separators=(",", ":")).encode(), media_type)

    def add_file(self, file: Path, digest: str) -> None:
        """Store a copy of a file whose `digest` is known."""
        target = self.blob(digest)
        if not target.exists():
            with files.replacing(target) as incoming:
                shutil.copyfile(file, incoming)

    def read(self, digest: str) -> bytes:
        """Return the content of a blob. Raises UserError when it is missing or differs from its digest."""
        self.check(digest)
        return self.blob(digest).read_bytes()

    def check(self, digest: str) -> None:
        """Raise UserError when a blob is missing or differs from its digest."""
        file = self.blob(digest)
        if not file.is_file():
            raise MissingFileError(f"{digest}: blob is missing in {self.folder}")
        if f"sha256:{sha256(file)}" != digest:
            raise DigestMismatchError(f"{digest}: content of the blob is sha256:{sha256(file)}; refused")

    def read_json(self, digest: str) -> Json:
        """Return the JSON object in a blob. Raises UserError."""
        try:
            content = json.loads(self.read(digest))
        except ValueError:
            raise UnreadableFileError(f"{digest}: not JSON; refused") from None
        if not isinstance(content, dict):
            raise UnreadableFileError(f"{digest}: not a JSON object; refused")
        return content

    def name(self, descriptor: Json, tag: str) -> None:
        """Name an image in the index. An image that had this name keeps its blobs."""
        others = [other for other in self._index() if other.get("annotations", {}).get(REF_NAME) != tag]
        named = {**descriptor, "annotations": {REF_NAME: tag}}
        files.write_json(self.folder / "oci-layout", {"imageLayoutVersion": "1.0.0"})
        files.write_json(self.folder / "index.json", {"schemaVersion": 2, "manifests": [*others, named]})

    def named(self, tag: str) -> Json | None:
        """Return the descriptor of the image with this name; None when there is none. Raises UserError."""
        matches = (entry for entry in self._index() if entry.get("annotations", {}).get(REF_NAME) == tag)
        return next(matches, None)

    def _index(self) -> list[Json]:
        file = self.folder / "index.json"
        try:
            return [dict(entry) for entry in json.loads(file.read_text(encoding="utf-8"))["manifests"]]
        except FileNotFoundError:
            return []
        except (LookupError, TypeError, ValueError):
            raise UnreadableFileError(f"{file}: not an index of images; remove the folder") from None

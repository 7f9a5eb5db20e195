"""Object storage of Amazon, Google and Microsoft through fsspec: `s3://`, `gs://` and `az://`.

Each service writes an object atomically and can refuse to create it twice. Credentials are those of its own library: no
credential is part of a URL or of a message.
"""

from __future__ import annotations

import os
import pkgutil
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from slipway.errors import MissingToolError, SettingError
from slipway.git.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

PART_BYTES = 16 * 2**20  # of an upload in parts; Google requires a multiple of 2**18
NO_GRPC = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
"""Without it, gcsfs asks for the type of the bucket by gRPC, and waits a minute where that is blocked."""


@dataclass(frozen=True)
class Service:
    """A service that stores objects."""

    scheme: str
    group: str
    """Dependency group with its packages."""
    package: str
    """Implementation of fsspec's interface."""
    dvc_scheme: str
    """Scheme of DVC's remotes there."""
    dvc_package: str
    """Plugin of DVC for them."""
    credentials: str
    """The credentials to check after a refusal."""
    errors: tuple[str, ...]
    """Exceptions of its libraries besides OSError, by full name."""
    upload: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of an upload."""

    @property
    def exceptions(self) -> tuple[type[Exception], ...]:
        """Return the exceptions of an operation that failed."""
        return (OSError, *map(pkgutil.resolve_name, self.errors))

    def connect(self) -> Any:
        """Return a file system. Raises UserError when its package or the credentials are missing."""
        self.require()
        import fsspec

        unusable: tuple[type[Exception], ...] = (ValueError, *self.exceptions)
        try:
            return fsspec.filesystem(self.scheme, skip_instance_cache=True)
        except unusable as error:
            reason = redacted(" ".join(str(error).split()))
            raise SettingError(f"{self.scheme}://…: {reason}; check {self.credentials}") from None

    def require(self) -> None:
        """Raise MissingToolError when the package is not installed."""
        for name, value in NO_GRPC.items():
            os.environ.setdefault(name, value)
        try:
            import_module(self.package)
        except ImportError:
            raise MissingToolError(
                f"{self.scheme}://…: {self.package} is not installed; `uv sync --group {self.group}`"
            ) from None


SERVICES = (
    Service(
        scheme="s3",
        group="s3",
        package="s3fs",
        dvc_scheme="s3",
        dvc_package="dvc_s3",
        credentials="that AWS_ACCESS_KEY_ID, AWS_PROFILE or the machine's role may use it",
        errors=("botocore.exceptions:BotoCoreError",),
        upload={"chunksize": PART_BYTES},
    ),
    Service(
        scheme="gs",
        group="gs",
        package="gcsfs",
        dvc_scheme="gs",
        dvc_package="dvc_gs",
        credentials="that GOOGLE_APPLICATION_CREDENTIALS or the machine's service account may use it",
        errors=("gcsfs.retry:HttpError", "google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError"),
        upload={"chunksize": PART_BYTES},
    ),
    Service(
        scheme="az",
        group="azure",
        package="adlfs",
        dvc_scheme="azure",
        dvc_package="dvc_azure",
        credentials="that AZURE_STORAGE_ACCOUNT_NAME is set, and that its key or the machine's identity may use it",
        errors=("azure.core.exceptions:AzureError",),
    ),
)


def service_of(url: str) -> Service | None:
    """Return the service of a URL; None for any other URL or a path."""
    scheme = urlsplit(url).scheme
    return next((service for service in SERVICES if scheme == service.scheme), None)


def service_of_remote(url: str) -> Service | None:
    """Return the service of the URL of a DVC remote; None for any other URL or a path."""
    scheme = urlsplit(url).scheme
    return next((service for service in SERVICES if scheme == service.dvc_scheme), None)

"""Size limit of the embedded store, which is committed to git."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway.dvc.files import default_remote
from slipway.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

STORE_BYTES_MAX = 10_000_000  # of the embedded store


def require(name: str, frame: pd.DataFrame) -> None:
    """Raise UserError where the embedded store is the remote and too small for the rows of the table `name`."""
    if default_remote(Path()).name == "embedded" and (size := stored(frame)) > STORE_BYTES_MAX:
        raise DataError(
            f"{name}: {size / 1e6:.0f} MB or more as Parquet exceed the {STORE_BYTES_MAX / 1e6:.0f} MB of the embedded"
            " store; add your own remote and commit it: `dvc remote add --default storage s3://…`"
        )


def stored(frame: pd.DataFrame) -> int:
    """Return the bytes of the rows as Parquet."""
    return len(frame.convert_dtypes().to_parquet(index=False, compression="zstd"))

"""Room for the rows: the embedded store is committed, so it takes megabytes only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.scaffold import work_tree

if TYPE_CHECKING:
    import pandas as pd

    from slipway.scaffold.plan import Plan

BYTES = 10_000_000  # of the embedded store at most


def require(made: Plan, frame: pd.DataFrame) -> None:
    """Raise UserError for rows that the embedded store is too small for, while it is the remote."""
    if work_tree.dvc("config", "core.remote").strip() == "embedded" and (size := stored(made, frame)) > BYTES:
        raise UserError(
            f"{made.file}: {size / 1e6:.0f} MB as Parquet, and the embedded store takes {BYTES / 1e6:.0f}; name a store"
            " of yours, and commit that: `dvc remote add --default storage s3://…`"
        )


def stored(made: Plan, frame: pd.DataFrame) -> int:
    """Bytes of the rows as they will lie in data/, but for what is made of the time."""
    return len(frame[list(made.taken)].convert_dtypes().to_parquet(index=False, compression="zstd"))

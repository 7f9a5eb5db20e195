"""The commands `slipway features join`, `materialize`, `serve` and `get`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PORT = 6566  # of Feast's feature server by default


def features_join(
    source: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="Parquet file of rows with the keys of the views and `event_timestamp`."),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Parquet file for the rows with their features.")],
) -> None:
    """Join features to the rows of a Parquet file, each row as of its `event_timestamp`.

    A value counts from the time of its arrival on, so a correction never reaches rows that were asked before it.

    Example: `slipway features join incoming/flights.parquet data/flights.parquet`
    """
    from slipway.feature_store import feast_process as job

    job.join(source, target)


def features_materialize() -> None:
    """Write the newest features of each key to the online store: SQLite, or Redis at $SLIPWAY_FEATURES_REDIS.

    Example: `slipway features materialize`
    """
    from slipway.feature_store import feast_process as job

    job.materialize()


def features_serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on loopback.")] = PORT,
) -> None:
    """Serve the online store by Feast's feature server on loopback, in the foreground.

    Example: `slipway features serve`
    """
    from slipway.feature_store import feast_process as job

    job.serve(port)


def features_get(
    keys: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...", help="The keys of all views. A value that is a JSON number is a number."
        ),
    ],
    url: Annotated[str, typer.Option(help="Address of the feature server.")] = f"http://127.0.0.1:{PORT}",
) -> None:
    """Print the features of a key from the feature server, validated by `Row`.

    Example: `slipway features get origin=EWR`
    """
    from slipway.feature_store import online_features as job

    job.main(url, keys)

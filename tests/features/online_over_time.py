"""Program in the environment of Feast: materialize the online store at moments of the past, and read every key.

`python online_over_time.py VERSIONS OUT REDIS MOMENT...` writes `OUT/<number>.parquet` for each moment but the last,
whose online store remains. With an address of Redis, `OUT/redis-<number>.parquet` is what Redis had. The source has
only rows that had arrived by the moment, in two files. Functions import Feast, which other environments lack.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from slipway.feature_store import feast_runner

KEYS = ["origin", "hour"]
KEYS_MAX = 1000  # of a read


def main(versions: pd.DataFrame, out: Path, redis: str, moments: list[pd.Timestamp]) -> None:
    """Materialize at each moment."""
    keys = versions[KEYS].drop_duplicates()
    for number, moment in enumerate(moments):
        arrived = versions[versions["arrived"] <= moment]
        half = len(arrived) // 2
        arrived[:half].to_parquet("features/weather-1.parquet")
        arrived[half:].to_parquet("features/weather-2.parquet")
        store = materialized("")
        if moment != moments[-1]:
            present = keys.merge(arrived[KEYS].drop_duplicates())
            read(store, present).to_parquet(out / f"{number}.parquet")
            if redis:
                read(materialized(redis), present).to_parquet(out / f"redis-{number}.parquet")


def materialized(redis: str) -> feast_runner.Store:
    """Return the store after an update of its online side, which is SQLite without an address of Redis."""
    from slipway.feature_store import feast_runner

    os.environ[feast_runner.REDIS] = redis
    store = feast_runner.Store(Path("features"), Path("build/features"))
    feast_runner.materialize(store)
    return store


def read(store: feast_runner.Store, keys: pd.DataFrame) -> pd.DataFrame:
    """Return the features of every key in the online store."""
    from slipway.feature_store import feast_runner

    chunks = [keys[start : start + KEYS_MAX].to_dict("records") for start in range(0, len(keys), KEYS_MAX)]
    service = store.feast.get_feature_service(feast_runner.SERVICE)
    return pd.concat([store.feast.get_online_features(service, chunk).to_df() for chunk in chunks])


if __name__ == "__main__":
    main(pd.read_parquet(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], [pd.Timestamp(text) for text in sys.argv[4:]])

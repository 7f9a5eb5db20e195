"""Program in the environment of Feast: the actions of the runner at moments of the past, in one process.

`python online_over_time.py VERSIONS OUT REDIS PORT MOMENT...` materializes the online store at each moment from what
had arrived by then, in two files. `OUT/<number>.parquet` has every key of it at each moment, and with an address of
Redis, `OUT/redis-<number>.parquet` what Redis had at each but the last. Then it joins `OUT/rows.parquet` into
`OUT/joined.parquet`, and serves the last store on PORT. An import of Feast takes 10 s of processor time, so there is
one; functions import it, which other environments lack.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from slipway.files import read_json, write_json

if TYPE_CHECKING:
    from slipway.feature_store import feast_runner

KEYS = ["origin", "hour"]
KEYS_MAX = 1000  # of a read
SOURCES, STORE = Path("features"), Path("build/features")


def main(versions: pd.DataFrame, out: Path, redis: str, port: int, moments: list[pd.Timestamp]) -> None:
    """Run every action."""
    keys = versions[KEYS].drop_duplicates()
    for number, moment in enumerate(moments):
        arrived = versions[versions["arrived"] <= moment]
        half = len(arrived) // 2
        arrived[:half].to_parquet(SOURCES / "weather-1.parquet")
        arrived[half:].to_parquet(SOURCES / "weather-2.parquet")
        present = keys.merge(arrived[KEYS].drop_duplicates())
        read(materialized(""), present).to_parquet(out / f"{number}.parquet")
        if redis and moment != moments[-1]:
            read(materialized(redis), present).to_parquet(out / f"redis-{number}.parquet")
    run(out, "", action="join", rows=str(out / "rows.parquet"), out=str(out / "joined.parquet"))
    run(out, "", action="serve", port=port)


def run(folder: Path, redis: str, **request: Any) -> None:
    """Run an action of the runner as `slipway features` does."""
    from slipway.feature_store import feast_runner

    os.environ[feast_runner.REDIS] = redis
    asked, answer = folder / "request.json", folder / "answer.json"
    write_json(asked, {"sources": str(SOURCES), "store": str(STORE), **request})
    feast_runner.main(asked, answer)
    content = read_json(answer)
    if "error" in content:
        sys.exit(content["error"])


def materialized(redis: str) -> feast_runner.Store:
    """Return the store after an update of its online side, which is SQLite without an address of Redis."""
    from slipway.feature_store import feast_runner

    os.environ[feast_runner.REDIS] = redis
    store = feast_runner.Store(SOURCES, STORE)
    feast_runner.materialize(store)
    return store


def read(store: feast_runner.Store, keys: pd.DataFrame) -> pd.DataFrame:
    """Return the features of every key in the online store."""
    from slipway.feature_store import feast_runner

    chunks = [keys[start : start + KEYS_MAX].to_dict("records") for start in range(0, len(keys), KEYS_MAX)]
    service = store.feast.get_feature_service(feast_runner.SERVICE)
    return pd.concat([store.feast.get_online_features(service, chunk).to_df() for chunk in chunks])


if __name__ == "__main__":
    moments = [*map(pd.Timestamp, sys.argv[5:])]
    main(pd.read_parquet(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), moments)

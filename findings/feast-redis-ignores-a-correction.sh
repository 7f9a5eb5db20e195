#!/usr/bin/env bash
# Feast: `materialize` of a corrected value changes SQLite, and leaves the old value in Redis.
#
# Expected: `created_timestamp_column` orders rows of one time, so the correction replaces the value in every online
#   store, as it does in the point-in-time join.
# Seen: the Redis store compares the event time with that of the stored value, and skips a row of an equal time. The
#   command succeeds, and its progress counts the row. With `skip_dedup: true` the correction is written.
# Versions: feast 0.67.0, redis 7.4.1 (client), fakeredis 2.40.0 (its server on loopback), Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "feast[duckdb,redis]==0.67.0" duckdb==2.0.1 \
  pandas==2.3.3 redis==7.4.1 fakeredis==2.40.0
cat >"$folder/run.py" <<'PY'
import sys
import threading
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from fakeredis import TcpFakeServer
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(sys.argv[1])
NOW = pd.Timestamp.now(tz="UTC").floor("s")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
server = TcpFakeServer(("127.0.0.1", 0))
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"127.0.0.1:{server.server_address[1]}"


def values(name, online):
    """Return the online value before and after the arrival of a correction."""
    file = folder / f"{name}.parquet"
    hours = [NOW - pd.Timedelta(hours=hours) for hours in (5, 4, 1)]
    rows = pd.DataFrame({"key": ["a"] * 2, "time": hours[:1] * 2, "arrived": hours[1:], "value": [1.0, 2.0]})
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.STRING)
    source = FileSource(path=str(file), timestamp_field="time", created_timestamp_column="arrived")
    view = FeatureView(name="view", entities=[key], schema=[Field(name="value", dtype=Float64)], source=source)
    config = RepoConfig(
        project=name,
        provider="local",
        registry=str(folder / f"{name}.db"),
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
    )
    read = []
    for count in (1, 2):
        rows[:count].to_parquet(file)
        feast = FeatureStore(config=config)
        feast.apply([key, view])
        feast.materialize(EPOCH, NOW.to_pydatetime())
        read.append(feast.get_online_features(["view:value"], [{"key": "a"}]).to_dict()["value"][0])
    return read


redis = {"type": "redis", "connection_string": address}
lines = [
    "feast " + version("feast"),
    f"sqlite {values('in_sqlite', {'type': 'sqlite', 'path': str(folder / 'online.sqlite')})}",
    f"redis {values('redis', redis)}",
    f"redis, skip_dedup {values('skipping', redis | {'skip_dedup': True})}",
]
(folder / "report").write_text("\n".join(lines) + "\n")
PY
cd "$folder"
venv/bin/python run.py "$folder" >log 2>&1 || { tail -5 log && exit 1; }
tee seen <report
diff seen - <<'SEEN'
feast 0.67.0
sqlite [1.0, 2.0]
redis [1.0, 1.0]
redis, skip_dedup [1.0, 2.0]
SEEN

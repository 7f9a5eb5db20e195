#!/usr/bin/env bash
# Feast: four ways in which a training row and a request get different features, none with an error or a warning.
#
# Expected: a store whose purpose is equal features on both sides returns, after `materialize`, the online value that a
#   point-in-time join returns for the same key and moment; `created_timestamp_column` makes a correction invisible
#   to rows of a time before its arrival; `ttl` holds on both sides; a request that lacks a join key is refused.
# Seen, with DuckDB offline and SQLite online:
#   ttl: the join returns null for a value older than `ttl`; online returns the value, with the status PRESENT.
#   correction: the join returns a correction to a row that was asked before its arrival, unless the call has
#     `filter_by_created_timestamp=True`, which is not the default.
#   older window: `materialize` of an earlier window replaces newer online values with older ones.
#   partial key: a view with two join keys, asked with one, returns null and the status NOT_FOUND.
# Versions: feast 0.67.0, duckdb 2.0.1, pandas 2.3.3, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "feast[duckdb]==0.67.0" duckdb==2.0.1 pandas==2.3.3
cat >"$folder/run.py" <<'PY'
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(sys.argv[1])
NOW = pd.Timestamp.now(tz="UTC").floor("s")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def ago(hours):
    return NOW - pd.Timedelta(hours=hours)


def store(name, rows, keys=("key",), ttl=0, arrival=None):
    pd.DataFrame(rows).to_parquet(folder / f"{name}.parquet")
    source = FileSource(
        path=str(folder / f"{name}.parquet"), timestamp_field="time", created_timestamp_column=arrival
    )
    entities = [Entity(name=key, join_keys=[key], value_type=ValueType.STRING) for key in keys]
    view = FeatureView(
        name="view",
        entities=entities,
        schema=[Field(name="value", dtype=Float64)],
        source=source,
        ttl=timedelta(hours=ttl),
    )
    online = {"type": "sqlite", "path": str(folder / f"{name}.sqlite")}
    config = RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / f"{name}.db"),
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
    )
    feast = FeatureStore(config=config)
    feast.apply([*entities, view])
    return feast


def joined(feast, moment, **options):
    frame = pd.DataFrame({"key": ["a"], "event_timestamp": [moment]})
    return feast.get_historical_features(frame, ["view:value"], **options).to_arrow()["value"].to_pylist()[0]


def online(feast, **key):
    response = feast.get_online_features(["view:value"], [key or {"key": "a"}])
    names = list(response.proto.metadata.feature_names.val)
    status = response.proto.results[names.index("value")].statuses[0]
    return response.to_dict()["value"][0], {1: "PRESENT", 3: "NOT_FOUND", 4: "OUTSIDE_MAX_AGE"}[status]


report = ["feast " + version("feast")]
old = store("ttl", [{"key": "a", "time": ago(5), "value": 1.0}], ttl=2)
old.materialize(EPOCH, NOW.to_pydatetime())
report.append(f"ttl: join {joined(old, NOW)}, online {online(old)}")

versions = [
    {"key": "a", "time": ago(5), "arrived": ago(4), "value": 1.0},
    {"key": "a", "time": ago(5), "arrived": ago(1), "value": 2.0},
]
corrected = store("correction", versions, arrival="arrived")
by_default = joined(corrected, ago(3))
filtered = joined(corrected, ago(3), filter_by_created_timestamp=True)
report.append(f"correction, asked before its arrival: join {by_default}, filtered {filtered}")

values = store("window", [{"key": "a", "time": ago(5), "value": 1.0}, {"key": "a", "time": ago(2), "value": 2.0}])
values.materialize(EPOCH, NOW.to_pydatetime())
before = online(values)[0]
values.materialize(EPOCH, ago(3).to_pydatetime())
report.append(f"older window: online {before}, then {online(values)[0]}")

pairs = store("pairs", [{"key": "a", "other": "b", "time": ago(5), "value": 1.0}], keys=("key", "other"))
pairs.materialize(EPOCH, NOW.to_pydatetime())
report.append(f"partial key: online {online(pairs)}, with both {online(pairs, key='a', other='b')}")

Path(folder / "report").write_text("\n".join(report) + "\n")
PY
cd "$folder"
venv/bin/python run.py "$folder" >log 2>&1 || { tail -5 log && exit 1; }
tee seen <report
diff seen - <<'SEEN'
feast 0.67.0
ttl: join None, online (1.0, 'PRESENT')
correction, asked before its arrival: join 2.0, filtered 1.0
older window: online 2.0, then 1.0
partial key: online (None, 'NOT_FOUND'), with both (1.0, 'PRESENT')
SEEN

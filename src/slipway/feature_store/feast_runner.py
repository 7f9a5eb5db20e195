"""Runner of Feast: the only module that runs in the environment of the feature store.

`slipway.feature_store.feast_process` starts it with the paths REQUEST and ANSWER. REQUEST is JSON with "action",
"sources" (the folder of the views' files), "store" (the folder of the online store), and the arguments of the action.
ANSWER is JSON: the result, or "error" and "class".
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureStore, FeatureView, FileSource, RepoConfig
from feast.types import Bool, Float64, Int32, Int64, String

import problem
from slipway.errors import DataError, UserError
from slipway.feature_store import guards
from slipway.files import replacing, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.schema.fields import FieldType

FEATURE_VIEWS: Callable[[Path], list[Any]] = getattr(problem, "feature_views")  # noqa: B009  optional in a problem
"""The entities and feature views of the problem, whose files are in a folder."""
SERVICE = "row"
"""Feast's feature service with every view: the features of a `Row`."""
PLACE = "__place"
"""Column with the position of a row, because Feast returns rows in any order."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REDIS = "SLIPWAY_FEATURES_REDIS"
TYPES: dict[Any, FieldType] = {
    Bool: "boolean",
    Int32: "integer",
    Int64: "integer",
    Float64: "number",
    String: "string",
}  # without Float32, whose decimal text in a response is another number


class Store:
    """Feast's store with the views of the problem, which fulfill every guard."""

    def __init__(self, sources: Path, folder: Path) -> None:
        objects = FEATURE_VIEWS(sources.resolve())
        views = [item for item in objects if isinstance(item, FeatureView)]
        if unsupported := [item for item in objects if type(item) not in (Entity, FeatureView)]:
            raise DataError(
                f"problem.feature_views: returns a {type(unsupported[0]).__name__}; only Entity and FeatureView are"
                " the same offline and online here"
            )
        self.views = [_described(view, objects) for view in views]
        guards.check_views(self.views, problem.Row)
        self.features = [name for view in self.views for name in view.features]
        self.keys = sorted({key for view in self.views for key in view.keys})
        self.service = FeatureService(name=SERVICE, features=views)
        folder.mkdir(parents=True, exist_ok=True)
        self._registry = tempfile.TemporaryDirectory()  # made from the definitions by each process, so never outdated
        self.feast = FeatureStore(config=_config(folder.resolve(), Path(self._registry.name)))
        self.feast.apply([*objects, self.service])


def _described(view: FeatureView, objects: list[Any]) -> guards.View:
    source = view.batch_source
    if not isinstance(source, FileSource) or source.field_mapping:
        raise DataError(f"problem.feature_views: {view.name}: its source must be a FileSource without field_mapping")
    keys = {item.name: item.join_key for item in objects if isinstance(item, Entity)}
    if unknown := [name for name in view.entities if name not in keys]:
        raise DataError(f"problem.feature_views: {view.name}: its entity `{unknown[0]}` is not in the list; add it")
    return guards.View(
        name=view.name,
        files=source.path,
        keys=tuple(keys[name] for name in view.entities),
        time=source.timestamp_field,
        arrival=source.created_timestamp_column or "",
        ttl=view.ttl,
        features={field.name: TYPES.get(field.dtype) for field in view.features},
    )


def _config(folder: Path, registry: Path) -> RepoConfig:
    """Return the configuration of Feast: DuckDB offline, because its default ran out of memory."""
    online: dict[str, Any] = {"type": "sqlite", "path": str(folder / "online.db")}
    if redis := os.environ.get(REDIS, "").strip():
        # `materialize` writes one row for each key; Redis would skip a correction of an equal time without skip_dedup.
        online = {"type": "redis", "connection_string": redis, "skip_dedup": True}
    return RepoConfig(
        project=re.sub(r"\W", "_", problem.TARGET),
        provider="local",
        registry=str(registry / "registry.db"),
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
    )


def join(store: Store, rows: str, out: str) -> dict[str, int]:
    """Write the rows of a Parquet file with their features, in the order of the file."""
    table = pq.read_table(rows)
    guards.check_request(Path(rows), table.schema, store.keys, store.features)
    asked = table.select([*store.keys, guards.TIME]).append_column(PLACE, pa.array(range(len(table)), pa.int64()))
    retrieved = store.feast.get_historical_features(
        asked.to_pandas(),
        store.service,
        filter_by_created_timestamp=True,  # otherwise a correction reaches rows that were asked before it
    )
    joined = retrieved.to_arrow().sort_by(PLACE)
    present = pa.array([False] * len(table))
    for name in store.features:
        values = _without_nan(joined[name].combine_chunks())
        table = table.append_column(name, values)
        present = pc.or_(present, values.is_valid())
    with replacing(Path(out)) as file:
        pq.write_table(table, file, compression="zstd")
    return {"rows": len(table), "features": len(store.features), "empty": len(table) - (pc.sum(present).as_py() or 0)}


def _without_nan(values: pa.Array) -> pa.Array:
    """Return missing values for NaN, as a response of the feature server is read."""
    if not pa.types.is_floating(values.type):
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def materialize(store: Store) -> dict[str, int]:
    """Write the newest row of each key. It starts from the first row, because a correction may be of any age."""
    store.feast.materialize(EPOCH, datetime.now(UTC))
    return {"views": len(store.views), "features": len(store.features)}


def serve(store: Store, port: int) -> dict[str, int]:
    """Serve the online store on loopback until the process is stopped."""
    import uvicorn
    from feast.feature_server import get_app

    uvicorn.run(get_app(store.feast), host="127.0.0.1", port=port, access_log=False)
    return {"port": port}


ACTIONS = {action.__name__: action for action in (join, materialize, serve)}


def main(request_file: Path, answer_file: Path) -> None:
    """Run the action of the request, and write the answer; that of a failure is its cause, in one line."""
    request = json.loads(request_file.read_text(encoding="utf-8"))
    action = ACTIONS[request.pop("action")]
    try:
        store = Store(Path(request.pop("sources")), Path(request.pop("store")))
        answer: dict[str, Any] = action(store, **request)
    except UserError as error:
        answer = {"error": str(error), "class": type(error).__name__}
    except Exception as error:  # noqa: BLE001  whatever Feast or the problem raises is the answer
        first = (str(error).splitlines() or [""])[0]
        answer = {"error": f"problem.feature_views: {type(error).__name__}: {first}", "class": "ToolError"}
    write_json(answer_file, answer)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of pinned libraries
    main(*map(Path, sys.argv[1:]))

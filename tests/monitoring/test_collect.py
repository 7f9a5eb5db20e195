"""The prediction log becomes Parquet by day with every line once, even if the collector is killed or runs twice."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Literal

import boto3
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from slipway.environment.place import Place
from slipway.errors import SettingError
from slipway.monitoring import collect, job
from slipway.monitoring.collect import Collection
from slipway.monitoring.log_columns import KEY, LOGGED, PREDICTION, PREFIX, RELEASE, TIME, UNIT
from tests.delivery import emulators

DAY = datetime(2026, 1, 31, tzinfo=UTC)


class Row(BaseModel):
    size: float | None
    count: int
    kind: Literal["a", "b"]
    ok: bool


def line(time: datetime, number: int = 0, **changes: object) -> str:
    row = {"size": 1.5, "count": 2, "kind": "a", "ok": True}
    content = {"release": "v1", "time": time.isoformat(timespec="milliseconds"), "request_id": f"r{number}", "index": 0}
    return json.dumps(content | {"row": row, "prediction": 0.25} | changes) + "\n"


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "predictions"
    folder.mkdir()
    return folder


@pytest.fixture
def collection(tmp_path):
    return Collection(str(tmp_path / "collected"), Row)


def write(logs, text: str, name: str = "1") -> None:
    with (logs / f"predictions-{name}.jsonl").open("a") as file:
        file.write(text)


def read(collection: Collection, start: datetime = DAY - timedelta(days=9), end: datetime = DAY + timedelta(days=9)):
    return collection.read(start, end)


class Reserved(BaseModel):
    release: str
    time: float
    request_id: int
    index: int
    prediction: float


def test_columns_of_row_with_the_names_of_the_log_are_kept_apart(logs, tmp_path):
    row = {"release": "r9", "time": 7.0, "request_id": 3, "index": 4, "prediction": 5.0}
    collection = Collection(str(tmp_path / "reserved"), Reserved)
    write(logs, line(DAY, 1, row=row))
    collection.collect(logs)
    (read_back,) = read(collection).to_dict("records")
    assert row == {name: read_back[name] for name in row}
    assert ("v1", DAY, "r1", 0, 0.25) == tuple(read_back[name] for name in LOGGED)


def test_the_unit_of_an_experiment_is_read_and_missing_before_it(logs, collection):
    write(logs, line(DAY))
    collection.collect(logs)
    write(logs, line(DAY, 1, unit="prices/ab"), "2")
    collection.collect(logs)
    assert [None, "prices/ab"] == [unit or None for unit in read(collection)[UNIT].fillna("")]


def test_a_part_without_the_prefix_is_read_as_before(logs, collection, tmp_path):
    write(logs, line(DAY, 1))
    collection.collect(logs)
    (part,) = (tmp_path / "collected").rglob("*.parquet")
    table = pq.read_table(part, partitioning=None)
    pq.write_table(table.rename_columns([name.removeprefix(PREFIX) for name in table.column_names]), part)
    assert [("r1", 0.25)] == [(row[KEY[0]], row[PREDICTION]) for row in read(collection).to_dict("records")]


def test_a_line_is_read_back_with_the_types_of_its_row(logs, collection):
    write(logs, line(DAY, row={"size": None, "count": 2.0, "kind": "b", "ok": False}))
    collection.collect(logs)
    (row,) = read(collection).to_dict("records")
    assert ("v1", "r0", 0, 0.25) == tuple(row[name] for name in (RELEASE, *KEY, PREDICTION))
    assert (2, "b", False) == (row["count"], row["kind"], row["ok"])
    assert DAY == row[TIME]
    assert "Int64" == read(collection)["count"].dtype


def test_a_line_is_stored_under_the_day_of_its_own_time_even_if_it_is_late(logs, collection):
    write(logs, line(DAY + timedelta(hours=1), 1))
    collection.collect(logs)
    write(logs, line(DAY - timedelta(hours=1), 2))
    collection.collect(logs)
    assert ["2026-01-30", "2026-01-31"] == collection.days()
    assert ["r2"] == read(collection, DAY - timedelta(days=1), DAY)[KEY[0]].tolist()
    assert ["r2", "r1"] == read(collection)[KEY[0]].tolist()


def test_collecting_twice_stores_each_line_once_and_continues_in_growing_files(logs, collection):
    for number in range(3):
        write(logs, line(DAY, number))
        assert 1 == collection.collect(logs).rows
        assert 0 == collection.collect(logs).rows
    write(logs, line(DAY, 9), "another")
    collection.collect(logs)
    assert {"r0", "r1", "r2", "r9"} == set(read(collection)[KEY[0]])
    assert 4 == len(read(collection))


def test_an_incomplete_last_line_is_left_for_the_next_run(logs, collection):
    whole = line(DAY, 1)
    write(logs, whole[:30])
    assert 0 == collection.collect(logs).rows
    write(logs, whole[30:])
    assert 1 == collection.collect(logs).rows


@pytest.mark.parametrize("killed_at", range(1, 7))
def test_a_collector_that_is_killed_at_any_write_loses_and_duplicates_no_line(logs, collection, monkeypatch, killed_at):
    monkeypatch.setattr(collect, "CHUNK_BYTES", 700)  # a few lines, so that one run writes several parts
    write(logs, "".join(line(DAY + timedelta(hours=8 * number), number) for number in range(9)))
    done, writes = collection._write, []

    def killed(path: str, content: bytes) -> None:
        writes.append(path)
        if len(writes) == killed_at:
            raise KeyboardInterrupt
        done(path, content)

    monkeypatch.setattr(collection, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        collection.collect(logs)
    write(logs, line(DAY, 9))
    monkeypatch.setattr(collection, "_write", done)
    collection.collect(logs)
    assert sorted(f"r{number}" for number in range(10)) == sorted(read(collection)[KEY[0]])


def test_unreadable_lines_are_counted_and_the_others_stored(logs, collection):
    write(
        logs, line(DAY, 1) + "half a li\n" + line(DAY, 2, row="none") + '{"time": "noon", "row": {}}\n' + line(DAY, 3)
    )
    collected = collection.collect(logs)
    assert (2, 3) == (collected.rows, collected.unreadable)
    assert {"r1", "r3"} == set(read(collection)[KEY[0]])


def test_synthetic_requests_are_excluded(logs, collection):
    write(logs, line(DAY, 1) + line(DAY, request_id=f"{collect.SYNTHETIC_ID_PREFIX}load-test"))
    collected = collection.collect(logs)
    assert (1, 1) == (collected.rows, collected.own)
    assert ["r1"] == read(collection)[KEY[0]].tolist()


def test_predictions_by_class_and_rows_of_an_older_schema_are_read(logs, collection):
    write(logs, line(DAY, 1, prediction={"a": 0.1, "b": 0.9}))
    write(logs, line(DAY, 2, prediction={"a": 0.4, "b": 0.6}, row={"size": 1, "old": 5}), "2")
    collection.collect(logs)
    rows = read(collection)
    assert [{"a": 0.1, "b": 0.9}, {"a": 0.4, "b": 0.6}] == rows[PREDICTION].tolist()
    assert [False, True] == rows["kind"].isna().tolist()
    assert "old" not in rows


def test_days_beyond_the_retention_are_removed_and_their_number_is_printed(logs, collection, capsys):
    now = datetime.now(UTC)
    for number, age in enumerate((0.1, 6.5, 8.5, 30)):
        write(logs, line(now - timedelta(days=age), number), str(number))
    collection.collect(logs)
    os.utime(logs / "predictions-3.jsonl", ((now - timedelta(days=30)).timestamp(),) * 2)
    environment = SimpleNamespace(name="production", place=SimpleNamespace(predictions=logs))
    job.delete_expired(environment, collection, 7)
    assert "production: deleted 2 collected days and 1 log file older than 7 days\n" == capsys.readouterr().out
    assert ["r1", "r0"] == read(collection, now - timedelta(days=40), now)[KEY[0]].tolist()
    assert not (logs / "predictions-3.jsonl").exists()
    job.delete_expired(environment, collection, 7)
    assert "" == capsys.readouterr().out
    assert (0, 2) == (collection.collect(logs).rows, len(collection.days()))


def test_an_empty_collection_has_no_rows_and_is_not_an_error(logs, collection):
    assert 0 == collection.collect(logs / "not there").rows
    assert {TIME, PREDICTION, "size"} <= set(read(collection))
    assert read(collection).empty


def test_a_sample_of_rows_is_reproducible_and_returned_with_its_fraction(logs, collection):
    write(logs, "".join(line(DAY, number) for number in range(400)))
    collection.collect(logs)
    span = DAY - timedelta(days=1), DAY + timedelta(days=1)
    sample, fraction = collection.read_sample(*span, 100)
    assert 0.25 == fraction
    assert 60 < len(sample) < 140
    assert sample[KEY[0]].tolist() == collection.read_sample(*span, 100)[0][KEY[0]].tolist()
    assert (400, 1.0) == (len(collection.read_sample(*span, 1000)[0]), collection.read_sample(*span, 1000)[1])


def test_an_unsupported_url_is_reported_in_one_line(tmp_path):
    with pytest.raises(SettingError, match="SLIPWAY_COLLECTED=ftpx://bucket: "):
        Collection("ftpx://bucket", Row)


# --- in S3, simulated by moto ---

KEYS = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def bucket(monkeypatch):
    with emulators.aws() as url:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="live")
        client.close()
        yield "s3://live/rows"


def test_rows_are_collected_into_s3_and_read_from_another_machine(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv(collect.FOLDER_VARIABLE, bucket)
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    place = Place.of("staging")
    place.predictions.mkdir(parents=True)
    write(place.predictions, line(DAY, 1))
    assert 1 == collect.of_environment(place, Row).collect(place.predictions).rows
    write(place.predictions, line(DAY, 2))
    assert 1 == collect.of_environment(place, Row).collect(place.predictions).rows
    other = Collection(f"{bucket}/staging", Row)
    assert ["r1", "r2"] == read(other)[KEY[0]].tolist()
    assert ["2026-01-31"] == other.days()

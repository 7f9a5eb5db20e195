"""The prediction log becomes Parquet by day: every line once, however often it is read, wherever a reader is killed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Literal

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import BaseModel

from slipway.delivery.home import Place
from slipway.errors import UserError
from slipway.monitoring import collect
from slipway.monitoring.collect import Collection

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


def test_a_line_comes_back_with_the_types_of_its_row(logs, collection):
    write(logs, line(DAY, row={"size": None, "count": 2.0, "kind": "b", "ok": False}))
    collection.collect(logs)
    (found,) = read(collection).to_dict("records")
    assert ("v1", "r0", 0, 0.25) == tuple(found[name] for name in ("release", "request_id", "index", "prediction"))
    assert (2, "b", False) == (found["count"], found["kind"], found["ok"])
    assert DAY == found["time"]
    assert "Int64" == read(collection)["count"].dtype


def test_lines_land_in_the_day_of_their_own_time_however_late_they_are_read(logs, collection):
    write(logs, line(DAY + timedelta(hours=1), 1))
    collection.collect(logs)
    write(logs, line(DAY - timedelta(hours=1), 2))
    collection.collect(logs)
    assert ["2026-01-30", "2026-01-31"] == collection.days()
    assert ["r2"] == read(collection, DAY - timedelta(days=1), DAY)["request_id"].tolist()
    assert ["r2", "r1"] == read(collection)["request_id"].tolist()


def test_collecting_twice_takes_nothing_twice_and_growing_files_are_read_on(logs, collection):
    for number in range(3):
        write(logs, line(DAY, number))
        assert 1 == collection.collect(logs).rows
        assert 0 == collection.collect(logs).rows
    write(logs, line(DAY, 9), "another")
    collection.collect(logs)
    assert {"r0", "r1", "r2", "r9"} == set(read(collection)["request_id"])
    assert 4 == len(read(collection))


def test_a_line_that_is_still_being_written_waits(logs, collection):
    whole = line(DAY, 1)
    write(logs, whole[:30])
    assert 0 == collection.collect(logs).rows
    write(logs, whole[30:])
    assert 1 == collection.collect(logs).rows


@pytest.mark.parametrize("killed_at", range(1, 7))
def test_a_collector_that_is_killed_at_any_write_leaves_no_line_out_and_none_twice(
    logs, collection, monkeypatch, killed_at
):
    monkeypatch.setattr(collect, "CHUNK", 700)  # some lines, so that one collection writes several parts
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
    assert sorted(f"r{number}" for number in range(10)) == sorted(read(collection)["request_id"])


def test_lines_that_are_none_are_counted_and_the_others_kept(logs, collection):
    write(
        logs, line(DAY, 1) + "half a li\n" + line(DAY, 2, row="none") + '{"time": "noon", "row": {}}\n' + line(DAY, 3)
    )
    found = collection.collect(logs)
    assert (2, 3) == (found.rows, found.unreadable)
    assert {"r1", "r3"} == set(read(collection)["request_id"])


def test_rows_of_the_machinery_itself_are_no_traffic(logs, collection):
    write(logs, line(DAY, 1) + line(DAY, request_id=f"{collect.SYNTHETIC_ID_PREFIX}load-test"))
    found = collection.collect(logs)
    assert (1, 1) == (found.rows, found.own)
    assert ["r1"] == read(collection)["request_id"].tolist()


def test_predictions_of_several_classes_and_rows_of_an_older_row_are_read(logs, collection):
    write(logs, line(DAY, 1, prediction={"a": 0.1, "b": 0.9}))
    write(logs, line(DAY, 2, prediction={"a": 0.4, "b": 0.6}, row={"size": 1, "old": 5}), "2")
    collection.collect(logs)
    found = read(collection)
    assert [{"a": 0.1, "b": 0.9}, {"a": 0.4, "b": 0.6}] == found["prediction"].tolist()
    assert found["kind"].isna().tolist() == [False, True]
    assert "old" not in found


def test_nothing_collected_is_no_rows_and_not_an_error(logs, collection):
    assert 0 == collection.collect(logs / "not there").rows
    assert {"time", "prediction", "size"} <= set(read(collection))
    assert read(collection).empty


def test_a_share_of_many_rows_is_the_same_each_time_and_says_how_large_it_is(logs, collection):
    write(logs, "".join(line(DAY, number) for number in range(400)))
    collection.collect(logs)
    span = DAY - timedelta(days=1), DAY + timedelta(days=1)
    some, share = collection.read_some(*span, 100)
    assert 0.25 == share
    assert 60 < len(some) < 140
    assert some["request_id"].tolist() == collection.read_some(*span, 100)[0]["request_id"].tolist()
    assert (400, 1.0) == (len(collection.read_some(*span, 1000)[0]), collection.read_some(*span, 1000)[1])


def test_an_address_that_nothing_opens_is_one_line(tmp_path):
    with pytest.raises(UserError, match="SLIPWAY_COLLECTED=ftpx://bucket: "):
        Collection("ftpx://bucket", Row)


# --- in S3, as moto speaks it ---

KEYS = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def bucket(monkeypatch):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port())}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="seen")
    client.close()
    yield "s3://seen/rows"
    server.stop()


def test_rows_are_collected_into_s3_and_read_there_by_another(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv(collect.FOLDER, bucket)
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    place = Place.of("staging")
    place.predictions.mkdir(parents=True)
    write(place.predictions, line(DAY, 1))
    assert 1 == collect.of_environment(place, Row).collect(place.predictions).rows
    write(place.predictions, line(DAY, 2))
    assert 1 == collect.of_environment(place, Row).collect(place.predictions).rows
    other = Collection(f"{bucket}/staging", Row)
    assert ["r1", "r2"] == read(other)["request_id"].tolist()
    assert ["2026-01-31"] == other.days()

"""The prediction log: its content, and that no disk, folder or load makes it delay or fail a request."""

from __future__ import annotations

import errno
import json
import os
import resource
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal
from unittest import mock

import httpx
import numpy as np
import psutil
import pytest
from pydantic import BaseModel, Field

from slipway.serving import prediction_log
from slipway.serving.observer import Observer
from slipway.serving.prediction_log import PredictionLogger, RotatingFiles, redacted

from .conftest import both_ways

SETTINGS = {"sample": 1.0, "rows_a_second": 1_000_000, "queue_bytes": 1_000_000, "file_bytes": 1_000_000, "files": 5}
GOOD = {"name": "x", "secret": "hush", "age": 30, "kind": "a", "size": 1.5}


class Kind(StrEnum):
    A = "a"


class Row(BaseModel):
    name: str
    secret: str = Field(json_schema_extra={"redact": True})
    age: Annotated[int, Field(ge=0, json_schema_extra={"redact": True})] | None
    kind: Kind = Field(json_schema_extra={"redact": True})
    size: float


class Plain(BaseModel):
    name: str
    letter: Literal["a", "b"]


@pytest.fixture
def outcomes() -> Counter:
    return Counter()


@pytest.fixture
def log(tmp_path, outcomes):
    logs = []

    def make(row: type[BaseModel] = Plain, **changes: float) -> PredictionLogger:
        def count(outcome: str, rows: int) -> None:
            outcomes[outcome] += rows

        logs.append(PredictionLogger(tmp_path / "predictions", "v1 100%d", row, SETTINGS | changes, count))
        return logs[-1]

    yield make
    for opened in logs:
        opened.close()


def lines(tmp_path) -> list[dict]:
    return [
        json.loads(line) for path in sorted(tmp_path.glob("predictions/*")) for line in path.read_text().splitlines()
    ]


def test_a_line_has_the_unit_of_an_experiment_that_the_gateway_named(log, tmp_path):
    observer = Observer(mock.Mock(), {"access_log": 0, "lines_a_second": 1}, log())
    for unit in (b"prices/0123456789abcdef", b'forged","x":"', None):
        headers = {b"x-request-id": b"id", **({b"x-slipway-unit": unit} if unit else {})}
        observer.predicted(observer.caller(headers), b'{"name": "x", "letter": "a"}', np.zeros(1), [0.25])
    observer._predictions.close()
    assert ["prices/0123456789abcdef", None, None] == [line.get("unit") for line in lines(tmp_path)]


def test_a_line_has_release_time_request_row_and_prediction(log, tmp_path, outcomes):
    written = log()
    before = datetime.now(UTC).replace(microsecond=0)
    written.offer(b"id-1", b'{"name": "x", "letter": "a"}', [0.25])
    written.close()
    (line,) = lines(tmp_path)
    assert before <= datetime.fromisoformat(line.pop("time")) <= datetime.now(UTC)
    row = {"name": "x", "letter": "a"}
    assert {"release": "v1 100%d", "request_id": "id-1", "index": 0, "row": row, "prediction": 0.25} == line
    assert {"written": 1} == outcomes


BODIES = [
    b'{"name": "x", "letter": "a"}',
    b'[{"name": "x", "letter": "a"}]',
    b'\r\n[\n {"name":\r\n"x",\t"letter":"a"}\n ,\n{"name":"x\\n\\"y", "letter":"b"}]\n',
    b'[{"name":"},{","letter":"a"},{"name":"}","letter":"b"},{"name":"{","letter":"b"}]',
    b'[{"name":"}{","letter":"a"}]',
    b'{"name":"\\ud83d\\ude00 \xc3\xa9","letter":"a"}',
]


@pytest.mark.parametrize("body", BODIES)
def test_a_row_is_logged_as_it_was_sent_on_one_line(log, tmp_path, body):
    content = json.loads(body)
    expected = content if isinstance(content, list) else [content]
    written = log()
    written.offer(b"id", bytearray(body), [{"a": 0.5, "b": place} for place in range(len(expected))])
    written.close()
    logged = lines(tmp_path)
    assert expected == [line["row"] for line in logged]
    assert [(place, {"a": 0.5, "b": place}) for place in range(len(expected))] == [
        (line["index"], line["prediction"]) for line in logged
    ]


def test_redacted_fields_are_null(log, tmp_path):
    written = log(Row)
    written.offer(b"id", json.dumps([GOOD, GOOD | {"age": None}]).encode(), [1.0, 2.0])
    written.close()
    hidden = {"secret": None, "age": None, "kind": None}
    assert [GOOD | hidden] * 2 == [line["row"] for line in lines(tmp_path)]
    assert "hush" not in "".join(path.read_text() for path in tmp_path.glob("predictions/*"))


def test_redaction_is_detected_in_every_form_of_a_field():
    assert ["secret", "age", "kind"] == redacted(Row)


def test_a_fraction_of_the_rows_of_small_and_large_requests_is_logged(log, tmp_path):
    written = log(sample=0.5)
    row = b'{"name": "x", "letter": "a"}'
    for _ in range(1000):
        written.offer(b"small", row, [0.5])
    written.offer(b"large", b"[" + b",".join([row] * 1000) + b"]", [0.5] * 1000)
    written.close()
    logged = Counter(line["request_id"] for line in lines(tmp_path))
    assert 400 < logged["small"] < 600
    assert 400 < logged["large"] < 600


@pytest.mark.parametrize("row", [Plain, Row])
def test_columns_are_logged_as_rows(log, tmp_path, row):
    columns = {"name": ["x", "},{"], "letter": ["a", "b"]}
    written = log(row)
    written.offer(b"id", json.dumps({"columns": columns}).encode(), [0.5, 0.75])
    written.close()
    hidden = dict.fromkeys(redacted(row))
    expected = [{"name": "x", "letter": "a"} | hidden, {"name": "},{", "letter": "b"} | hidden]
    assert expected == [line["row"] for line in lines(tmp_path)]


def test_rows_above_the_rate_limit_are_counted(log, tmp_path, outcomes):
    written = log(rows_a_second=10)
    for _ in range(40):
        written.offer(b"id", b'{"name": "x", "letter": "a"}', [0.5])
    written.close()
    assert 40 == outcomes["written"] + outcomes["too_many"]
    assert len(lines(tmp_path)) == outcomes["written"] < 40


def test_rows_above_the_queue_limit_are_counted_and_use_no_memory(log, outcomes, monkeypatch):
    monkeypatch.setattr(prediction_log, "WRITE_INTERVAL_SECONDS", 60)
    written = log(queue_bytes=10_000)
    for _ in range(1000):
        written.offer(b"id", b'{"name": "x", "letter": "a"}', [0.5])
    written.close()
    assert 1000 == outcomes["written"] + outcomes["queue_full"]
    assert 10 <= outcomes["written"] <= 10_000 // prediction_log.OVERHEAD_BYTES


def test_files_are_rotated_and_the_oldest_removed(log, tmp_path):
    written = log(file_bytes=2000, files=3)
    for place in range(100):
        written.offer(b"%d" % place, b'{"name": "x", "letter": "a"}', [0.5])
        time.sleep(0.0001 if place % 10 else 0.11)  # for several batches
    written.close()
    files = sorted(tmp_path.glob("predictions/*"))
    assert 3 == len(files)
    assert all(path.stat().st_size <= 2000 for path in files)
    assert "99" == lines(tmp_path)[-1]["request_id"]


def test_a_removed_file_is_replaced(tmp_path):
    files = RotatingFiles(tmp_path, 1000, 3)
    files.append(b"1\n")
    next(tmp_path.iterdir()).unlink()
    files.append(b"2\n")
    assert [b"2\n"] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_other_files_in_the_folder_are_kept(tmp_path):
    (tmp_path / "notes.jsonl").touch()
    files = RotatingFiles(tmp_path, 10, 1)
    for _ in range(5):
        files.append(b"12345678\n")
    assert {"notes.jsonl"} < {path.name for path in tmp_path.iterdir()}
    assert 2 == len(list(tmp_path.iterdir()))


def aged(path: Path, days: float) -> Path:
    path.touch()
    os.utime(path, (time.time() - days * 86_400,) * 2)
    return path


def test_files_beyond_the_retention_are_deleted(tmp_path):
    kept, expired, other = (
        aged(tmp_path / name, days)
        for name, days in [("predictions-2.jsonl", 6.9), ("predictions-1.jsonl", 7.1), ("notes.jsonl", 9)]
    )
    RotatingFiles(tmp_path, 1000, 20).append(b"1\n")
    assert expired.exists()
    RotatingFiles(tmp_path, 1000, 20, 7).append(b"1\n")
    assert [True, False, True] == [path.exists() for path in (kept, expired, other)]


def test_a_file_is_rotated_after_a_day_where_rows_are_deleted(tmp_path, monkeypatch):
    now = time.time()
    clock = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr(prediction_log, "time", clock)
    written = [RotatingFiles(tmp_path / str(days), 1000, 20, days) for days in (None, 7)]
    for hours in (0, 23, 25):
        clock.time = lambda hours=hours: now + hours * 3600
        for files in written:
            files.append(b"1\n")
    assert [1, 2] == [len(list(files.folder.iterdir())) for files in written]


def test_a_full_disk_leaves_complete_lines(tmp_path, monkeypatch):
    files = RotatingFiles(tmp_path, 1000, 3)
    files.append(b"first\n")
    write = os.write
    free = iter([3])

    def full(file: int, content: bytes) -> int:
        for size in free:
            return write(file, content[:size])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prediction_log.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        files.append(b"second\n")
    assert [b"first\n"] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_a_write_to_an_unwritable_folder_is_retried(log, tmp_path, outcomes, monkeypatch, caplog):
    monkeypatch.setattr(prediction_log, "RETRY_SECONDS", 0.3)
    (tmp_path / "predictions").touch()
    written = log()
    deadline = time.monotonic() + 20
    while not outcomes["written"] and time.monotonic() < deadline:
        written.offer(b"id", b'{"name": "x", "letter": "a"}', [0.5])
        time.sleep(0.05)
        if outcomes["write_failed"] and (tmp_path / "predictions").is_file():
            (tmp_path / "predictions").unlink()
    assert outcomes["written"] > 0 < outcomes["write_failed"]
    assert f"SLIPWAY_PREDICTIONS={tmp_path / 'predictions'}: File exists; predictions are not logged" in caplog.messages


def test_an_invalid_row_does_not_stop_the_log(log, tmp_path, caplog):
    written = log()
    written.offer(b"bad", b"no JSON", [0.5])
    time.sleep(2 * prediction_log.WRITE_INTERVAL_SECONDS)
    written.offer(b"good", b'{"name": "x", "letter": "a"}', [0.5])
    written.close()
    assert ["good"] == [line["request_id"] for line in lines(tmp_path)]
    assert "1 requests are missing from the prediction log" in caplog.messages


def posted(url: str, row: dict, number: int) -> list[int]:
    with httpx.Client(base_url=url) as client:
        return [
            client.post("/predict", json=row, headers={"x-request-id": f"n{at}"}).status_code for at in range(number)
        ]


def counted(url: str, outcome: str) -> float:
    (line,) = [line for line in httpx.get(f"{url}/metrics").text.splitlines() if f'outcome="{outcome}"' in line]
    return float(line.rsplit(" ", 1)[1])


@both_ways
def test_every_prediction_is_in_the_log_after_the_service_has_stopped(serve, model_dir, tmp_path, row):
    with serve(model_dir, tmp_path, SLIPWAY_PREDICTIONS=str(tmp_path / "predictions")) as (url, _):
        statuses = posted(url, row, 300)
    assert [200] * 300 == statuses
    assert [f"n{at}" for at in range(300)] == [line["request_id"] for line in lines(tmp_path)]
    assert {("v1.2.3", json.dumps(row))} == {(line["release"], json.dumps(line["row"])) for line in lines(tmp_path)}


@both_ways
def test_a_stop_writes_the_queue(serve, numbers, model_dir, tmp_path, row):
    """With the usual interval, half of the requests that are answered while the service stops would be missing."""
    variables = numbers()
    module = Path(variables["PYTHONPATH"].split(os.pathsep)[0]) / "slipway/serving/prediction_log.py"
    usual = f"WRITE_INTERVAL_SECONDS = {prediction_log.WRITE_INTERVAL_SECONDS}"
    assert 1 == module.read_text().count(usual)
    module.write_text(module.read_text().replace(usual, "WRITE_INTERVAL_SECONDS = 600.0"))
    with serve(model_dir, tmp_path, SLIPWAY_PREDICTIONS=str(tmp_path / "predictions"), **variables) as (url, _):
        assert [200] * 3 == posted(url, row, 3)
        assert [] == lines(tmp_path)
    assert ["n0", "n1", "n2"] == [line["request_id"] for line in lines(tmp_path)]


def test_each_worker_writes_its_own_file(serve, model_dir, tmp_path, row):
    variables = {
        "BENTOML_CONFIG_OPTIONS": "services.slipway.workers=2",
        "SLIPWAY_PREDICTIONS": str(tmp_path / "predictions"),
    }
    with serve(model_dir, tmp_path, **variables) as (url, _):
        sent, deadline = 0, time.monotonic() + 20
        while len(list(tmp_path.glob("predictions/*"))) < 2 and time.monotonic() < deadline:
            clients = [threading.Thread(target=posted, args=(url, row, 50)) for _ in range(4)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            sent += 200
            time.sleep(0.2)
    assert 2 == len(list(tmp_path.glob("predictions/*")))
    assert sent == len(lines(tmp_path))


def test_an_unwritable_folder_fails_no_request(serve, model_dir, tmp_path, row):
    (tmp_path / "file").touch()
    with serve(model_dir, tmp_path, SLIPWAY_PREDICTIONS=str(tmp_path / "file" / "predictions")) as (url, _):
        statuses = posted(url, row, 100)
        time.sleep(0.5)
        failed = counted(url, "write_failed")
    assert ([200] * 100, 100) == (statuses, failed)
    assert "Not a directory; predictions are not logged" in (tmp_path / "log").read_text()


@both_ways
def test_a_full_file_system_fails_no_request(serve, model_dir, tmp_path, row):
    with serve(model_dir, tmp_path, SLIPWAY_PREDICTIONS=str(tmp_path / "predictions")) as (url, process):
        for member in [process, *process.children(recursive=True)]:
            psutil.Process(member.pid).rlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        statuses = posted(url, row, 300)
        time.sleep(0.5)
        written, failed = counted(url, "written"), counted(url, "write_failed")
    assert ([200] * 300, 300) == (statuses, written + failed)
    assert failed > 0
    logged = [json.loads(line) for path in tmp_path.glob("predictions/*") for line in path.read_text().splitlines()]
    assert written == len(logged)

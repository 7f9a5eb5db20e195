"""Tests of the stage `data` as dvc.yaml runs it: real seasons pass, and a fault blocks."""

from __future__ import annotations

import signal
import time
from html.parser import HTMLParser
from pathlib import Path

import psutil
import pytest
from threadpoolctl import threadpool_info

import problem
from slipway.checks import data, files, suites
from slipway.checks.evidence_file import read_evidence
from slipway.gates import Outcome, overall
from slipway.gates import data as gate
from slipway.gates.data import verdicts
from slipway.gates.data_evidence import DataEvidence, FileRecord, SuiteEvidence


@pytest.fixture(scope="module")
def next_month(tmp_path_factory, settings):
    """Return the evidence of all shipped files and the next batch, which is real data of another season."""
    folder = tmp_path_factory.mktemp("next") / "data"
    folder.mkdir()
    for name in files.listed(Path("data")):
        (folder / name).symlink_to((Path("data") / name).resolve())
    added = problem.next_batch(folder)
    if added is None:
        pytest.skip("the problem has no further batch")
    html = folder.parent / "report.html"
    html.write_text("earlier report")
    return folder, added.name, data.collect(folder, DataEvidence(), settings, html), html


def test_the_next_batch_is_new_and_the_others_are_the_reference(next_month, settings):
    _, added, evidence, _ = next_month
    assert [added] == evidence.new
    assert settings.data.suites.reference_files >= len(evidence.reference) > 0
    assert added not in evidence.reference


def test_every_file_keeps_the_contract(next_month):
    assert {} == {file.file: file.findings for file in next_month[2].files if file.findings}


def test_the_drift_of_a_season_does_not_block(next_month, settings):
    judged = verdicts(next_month[2], settings.data)
    assert Outcome.PASS is overall(judged), [verdict.reason for verdict in judged]


def test_the_drift_of_a_season_is_reported_for_every_column(next_month):
    assert {*problem.Row.model_fields, problem.TARGET} == set(next_month[2].suites.drift)


def test_every_check_has_a_condition_and_ran(next_month):
    assert {"pass"} == {check.outcome for check in next_month[2].suites.checks}


def test_the_full_report_is_kept_as_html(next_month):
    html = next_month[3].read_text(encoding="utf-8")
    HTMLParser().feed(html[:100_000])
    assert "deepchecks" in html


def test_checking_again_gives_the_same_evidence_without_reading_old_files(next_month, settings, monkeypatch):
    folder, _, evidence, _ = next_month
    monkeypatch.setattr(data, "compare", lambda *_: evidence.suites)
    monkeypatch.setattr(files, "describe", None)  # would crash if a file were checked again
    assert evidence == data.collect(folder, evidence, settings, None)


def test_the_evidence_holds_no_path_and_no_duration(next_month):
    text = next_month[2].model_dump_json()
    assert str(next_month[0]) not in text
    assert "second" not in text


RECORDS = [FileRecord(file=name, sha256=name * 64, rules="1", rows=1) for name in "abc"]


@pytest.mark.parametrize(
    ("accepted", "new"),
    [
        ([], ["c"]),
        (["a" * 64, "b" * 64], ["c"]),
        (["a" * 64, "b" * 64, "c" * 64], ["c"]),
        (["b" * 64, "c" * 64], ["a"]),
        (["b" * 64], ["a", "c"]),
    ],
)
def test_files_not_accepted_before_are_new_or_else_the_newest(accepted, new):
    assert new == data.newest(RECORDS, set(accepted))


@pytest.mark.parametrize(
    ("names", "new"),
    [
        ({"a": "a", "b": "b", "c": "c"}, ["c"]),
        ({"a": "a", "b": "b"}, ["c"]),
        ({"a": "a", "z": "b", "c": "c"}, ["b"]),
        ({"a": "b", "b": "a", "c": "c"}, ["a", "b"]),
        ({}, ["c"]),
    ],
)
def test_an_accepted_file_under_another_name_is_new(names, new):
    accepted = {record.sha256 for record in RECORDS}
    assert new == data.newest(RECORDS, accepted, {name: digest * 64 for name, digest in names.items()})


def test_a_renamed_file_stays_new_until_it_has_passed(next_month, settings, monkeypatch):
    folder, _, evidence, _ = next_month
    renamed = Path(files.listed(folder)[0])
    (folder / renamed).rename(folder / f"{renamed.stem}-again{renamed.suffix}")
    monkeypatch.setattr(data, "compare", lambda *_: SuiteEvidence())  # no check ran, so it does not pass
    for _ in range(2):
        evidence = data.collect(folder, evidence, settings, None)
        assert [f"{renamed.stem}-again{renamed.suffix}"] == evidence.new


@pytest.mark.parametrize(("count", "expected"), [(1, "i"), (2, "ai"), (3, "aei"), (9, "abcdefghi"), (20, "abcdefghi")])
def test_reference_files_are_spread_evenly_up_to_a_bound(count, expected):
    assert list(expected) == suites.spread("abcdefghi", count)


@pytest.mark.parametrize(("rows", "count"), [(28_000, 6), (72, 64), (0, 64)])
def test_the_reference_has_more_files_where_they_are_small(settings, rows, count):
    assert count == len(suites.reference([f"{place:03}" for place in range(300)], rows, settings.data))


def test_a_single_file_is_compared_with_its_own_first_rows(folder, newest, settings):
    sides = data.Sides.of(folder, [newest], [], settings)
    new, reference = sides.new, sides.reference
    rows = settings.data.suites.sample_rows
    assert 0 < len(new) <= len(reference) <= rows
    if problem.TIME_COLUMN:
        assert reference[problem.TIME_COLUMN].max() <= new[problem.TIME_COLUMN].min()


def test_rows_without_a_time_are_split_randomly_in_any_order_of_the_file(frame, settings, monkeypatch):
    monkeypatch.setattr(problem, "TIME_COLUMN", None)
    monkeypatch.setattr(files, "batches", lambda *_: iter([frame.sort_values(problem.TARGET)]))
    sides = data.Sides.of(Path("data"), ["any"], [], settings)
    assert sides.new[problem.TARGET].min() < sides.reference[problem.TARGET].max()


def test_a_broken_contract_exits_with_1_names_the_file_and_leaves_evidence(folder, newest, tmp_path, capsys):
    (folder / newest).write_bytes(b"")
    out = tmp_path / "evidence.json"
    code = data.main([str(folder), "--out", str(out), "--html", str(tmp_path / "report.html")])
    assert code == 1
    assert f"{newest}: unreadable" in capsys.readouterr().err
    assert newest in [file.file for file in read_evidence(out).files if file.findings]


def test_the_stage_computes_with_one_thread_as_the_suites_have_the_other_core(monkeypatch, tmp_path):
    threads = []

    def computing(*_):
        threads.extend(pool["num_threads"] for pool in threadpool_info())
        return DataEvidence()

    monkeypatch.setattr(data, "collect", computing)
    data.main(["data", "--out", str(tmp_path / "evidence.json"), "--html", str(tmp_path / "report.html")])
    assert {1} == {*threads}


def test_a_blocked_file_is_not_accepted(folder, newest, settings):
    (folder / newest).write_bytes(b"")
    accepted = ["0" * 64]
    assert accepted == data.collect(folder, DataEvidence(accepted=accepted), settings, None).accepted


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"files": [{"rows": NaN}]}', "\udcff"])
def test_invalid_earlier_evidence_is_ignored(tmp_path, content):
    (tmp_path / "evidence.json").write_bytes(content.encode(errors="surrogateescape"))
    assert read_evidence(tmp_path / "evidence.json") is None


def test_a_process_without_jobs_ends_with_its_block():
    with suites.started() as process:
        assert process.process.poll() is None
    assert process.process.poll() in {-signal.SIGTERM, 128 + signal.SIGTERM}  # instead of the end of its imports
    assert not process.folder.exists()


def test_no_other_process_waits_in_memory_while_the_suites_run():
    with suites.started() as process:
        started, deadline = psutil.Process(process.process.pid), time.monotonic() + 60
        while not any(suites.RUNNER in running.cmdline()[:3] for running in [started, *started.children()]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert [f"{suites.ENVIRONMENT}/bin/python"] == [
            running.cmdline()[0] for running in [started, *started.children()]
        ]


def test_an_installation_that_fails_is_the_error_of_every_suite(frame, settings, monkeypatch):
    monkeypatch.setattr(suites, "START", suites.START.replace("--group checks", "--group unknown"))
    rows = suites.table(frame, 10, 0)
    answer = suites.run([suites.SuiteJob("only", rows, rows)], settings.data.suites)["only"]
    assert "`unknown`" in answer.error


def test_a_broken_contract_runs_no_suite(folder, newest, settings, monkeypatch):
    (folder / newest).write_bytes(b"")
    monkeypatch.setattr(suites.Suites, "send", lambda *_: pytest.fail("the suites ran"))
    assert data.collect(folder, DataEvidence(), settings, None).suites is None


@pytest.mark.parametrize(("counts", "can_run"), [({"duplicates": 50}, True), ({"unlabelled": 50}, False)])
def test_rows_that_repeat_others_are_compared_all_the_same(settings, counts, can_run):
    """Their cause may be a finding of the suites, as a label with a single value makes rows equal."""
    record = FileRecord(file="a", sha256="", rules="", rows=100, **{"duplicates": 0, "unlabelled": 0} | counts)
    evidence = DataEvidence(files=[record], new=["a"])
    assert gate.contract_blockers(evidence, settings.data.contract)
    assert can_run is gate.are_comparable(evidence, settings.data.contract)


def test_suites_that_cannot_start_are_an_error(frame, settings, monkeypatch):
    monkeypatch.setattr(suites, "RUNNER", "slipway.checks.no_such_module")
    rows = suites.table(frame, 10, 0)
    answer = suites.run([suites.SuiteJob("only", rows, rows)], settings.data.suites)["only"]
    assert "No module named" in answer.error

"""Personal data in text columns are found by kind and counted, without a value in the evidence or a network."""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import Mock

import pandas as pd
import pytest
from pydantic import BaseModel

from slipway.checks import contract, files, personal_data
from slipway.checks.personal_data import PersonalDataSearch
from slipway.errors import MissingToolError
from slipway.gates.data_evidence import BrokenRule, FileRecord
from slipway.monitoring.checks import validity
from slipway.settings import read_settings
from slipway.settings.data_checks import PrivacySection
from tests.params import VALID

KINDS = ["CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "PHONE_NUMBER"]
SECTION = PrivacySection(kinds=KINDS, phone_regions=["DE"])
ADDRESS = "write to ada@example.com"


@pytest.fixture(scope="module")
def search():
    """Return a search of every kind; its first use would ask the network, if anything did."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("getaddrinfo", "create_connection"):
            patch.setattr(socket, name, Mock(side_effect=AssertionError("asks the network")))
        made = PersonalDataSearch.of(SECTION)
        made.scan(pd.DataFrame({"note": [ADDRESS]}))
        yield made


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (ADDRESS, "EMAIL_ADDRESS"),
        ("card 4111 1111 1111 1111", "CREDIT_CARD"),
        ("DE89 3704 0044 0532 0130 00", "IBAN_CODE"),
        ("from 192.0.2.17", "IP_ADDRESS"),
        ("+44 20 7946 0958", "PHONE_NUMBER"),
        ("call 030 901820", "PHONE_NUMBER"),
    ],
)
def test_each_kind_is_found_without_its_value(search, text, kind):
    findings = search.scan(pd.DataFrame({"note": ["nothing", text, None, text]}))
    assert [BrokenRule(column="note", kind="personal data", rule=f"no {kind}", count=2, examples=[])] == findings


@pytest.mark.parametrize(
    "text", ["4111 1111 1111 1112", "a@b.invalidtld", "N14228", "2013-01-01T05:00", "EWR", "::", "", "DE89 3704"]
)
def test_other_text_is_no_finding(search, text):
    assert [] == search.scan(pd.DataFrame({"note": [text]}))


def test_columns_without_text_and_allowed_ones_are_skipped(search):
    frame = pd.DataFrame({"size": [4111111111111111, 2], "mixed": [1, ADDRESS], "note": [ADDRESS, ADDRESS]})
    assert [("mixed", 1), ("note", 2)] == [(finding.column, finding.count) for finding in search.scan(frame)]
    allowed = PersonalDataSearch.of(SECTION.model_copy(update={"allowed_columns": ["note", "mixed"]}))
    assert [] == allowed.scan(frame)


def test_categories_are_searched(search):
    assert [3] == [finding.count for finding in search.scan(pd.DataFrame({"note": pd.Categorical([ADDRESS] * 3)}))]


def test_nothing_is_searched_by_default(monkeypatch):
    monkeypatch.setitem(sys.modules, "slipway.checks.presidio_patterns", None)
    assert [] == PersonalDataSearch.of(read_settings(VALID).data.privacy).scan(pd.DataFrame({"note": [ADDRESS]}))


def test_missing_packages_are_reported_with_the_fix(monkeypatch):
    monkeypatch.setattr(personal_data, "PACKAGE", "no_such_package")
    with pytest.raises(MissingToolError, match=r"data\.privacy\.kinds: .* run `uv sync --inexact --group privacy`$"):
        PersonalDataSearch.of(SECTION)


@pytest.fixture
def record(monkeypatch):
    """Return a function that describes a file of two batches with an address in three of its five rows."""
    monkeypatch.setattr(contract, "check", lambda *_: [])
    batches = [pd.DataFrame({"note": [ADDRESS, "x"]}), pd.DataFrame({"note": [ADDRESS, "y", ADDRESS]})]
    blank = FileRecord(file="1", sha256="", rules="", rows=0)
    return lambda search: files.describe(blank, batches, 5, search=search)


def test_the_rows_of_all_batches_are_counted_in_one_finding(record, search):
    described = record(search)
    assert [("note", "personal data", "no EMAIL_ADDRESS", 3)] == [
        (finding.column, finding.kind, finding.rule, finding.count) for finding in described.findings
    ]
    assert "ada" not in described.model_dump_json()


def test_a_file_without_a_search_has_no_finding(record):
    assert [] == record(None).findings


def test_a_record_of_other_kinds_is_not_reused():
    kinds = [[], ["IP_ADDRESS"], KINDS]
    assert 3 == len({files.rules_digest(PrivacySection(kinds=names)) for names in kinds})


class Row(BaseModel):
    note: str


def test_a_single_logged_row_fails_the_check_of_live_rows(monkeypatch, search):
    monkeypatch.setattr(validity, "problem", SimpleNamespace(Row=Row))
    settings = read_settings(VALID)
    data = settings.data.model_copy(update={"privacy": SECTION})
    settings = settings.model_copy(update={"data": data})
    rows = pd.DataFrame({"note": [ADDRESS, *["x"] * 5000]})
    window = SimpleNamespace(rows=rows, end=datetime.now(UTC) + timedelta(1))
    context = SimpleNamespace(window=window, settings=settings, limits=settings.monitoring, hidden=[])
    (finding,) = validity.evidence(context).findings
    assert ("note", "personal data", "note: no EMAIL_ADDRESS, violated by 1 rows") == (
        finding.column,
        finding.what,
        finding.message,
    )
    assert finding.score > 1

"""The peers of `slipway bench --peers`: locked packages, stated versions, and a comparison of running servers."""

from __future__ import annotations

import os
import re
import sys

import pytest

from slipway.lab.bench import peer_comparison
from slipway.lab.bench.measure import MODEL
from slipway.lab.bench.peer_comparison import FOLDER, PEERS, Peer, compare, text
from slipway.settings import read_settings
from slipway.supply_chain import audit
from tests.params import VALID

FILES = sorted({peer.requirements for peer in PEERS.values() if peer.requirements})
NOOP = ("uvicorn", "slipway.lab.bench.noop:app")


def test_the_audit_covers_the_packages_of_every_peer_but_those_with_a_reason():
    audited = {path.name for path in audit.REQUIREMENTS if path.parent.name == FOLDER.name}
    assert {*FILES} == audited | {path.name for path in audit.UNAUDITED}
    assert audited.isdisjoint(path.name for path in audit.UNAUDITED)
    assert all(path.is_file() for path in (*audit.REQUIREMENTS, *audit.UNAUDITED))


def test_every_file_of_requirements_belongs_to_a_peer():
    assert FILES == sorted(path.name for path in FOLDER.glob("*.txt"))


@pytest.mark.parametrize("name", PEERS)
def test_each_peer_states_its_versions(name):
    stated = peer_comparison._versions(PEERS[name]).split(", ")
    assert list(PEERS[name].packages) == [entry.split(" ")[0] for entry in stated]
    assert all(re.fullmatch(r"\d[\w.]+", entry.split(" ")[1]) for entry in stated)


def test_the_comparison_has_a_line_for_each_server(monkeypatch, tmp_path):
    peers = {name: Peer(NOOP, ("uvicorn",)) for name in ("FastAPI", "other")}
    older = {"older": Peer(NOOP, ("uvicorn",), before=(3, 11))}
    monkeypatch.setattr(peer_comparison, "PEERS", peers | older)
    plan = read_settings(VALID).bench.model_copy(
        update={
            "rows": [1],
            "connections": [2],
            "block_seconds": 0.02,
            "group_seconds": 0.1,
            "idle_timeout_seconds": 0,
            "rounds": 1,
            "max_requests": 50,
        }
    )
    monkeypatch.setattr("slipway.lab.bench.measure._model_call", lambda *_: lambda: None)
    result = compare(["{}"], plan, 1, os.environ | {"SLIPWAY_MODEL_DIR": str(tmp_path)})
    assert [*peers] == [cell.name for cell in result.cells]
    assert MODEL not in text(result)
    assert 1 == result.cells[0].ratios["FastAPI"]
    assert all(megabytes > 0 for megabytes in result.megabytes.values())
    assert all(re.search(rf"^{name} +[\d,]+ .* uvicorn \d", text(result), re.MULTILINE) for name in peers)
    assert sys.executable == peer_comparison._python(peers["other"])

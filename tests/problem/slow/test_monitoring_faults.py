"""Tests of the sensitivity of the monitoring checks, on a subset of the faults of `slipway power --monitor`."""

from __future__ import annotations

import pytest

from slipway.lab import live_faults, monitoring_power

CHOSEN = ("stuck", "half gone", "missing as -999", "swapped", "mix", "yesterday again", "labels late", "refused")
"""A fault of each family and check."""


@pytest.fixture(scope="module")
def corpus(scene):
    reference, _, settings = scene
    return live_faults.corpus(reference, settings.monitoring.window_days, settings.seed)


def test_the_corpus_has_fifteen_kinds_of_fault_or_more_each_of_its_own_name(corpus):
    assert len(corpus) == len({fault.name for fault in corpus})
    assert len({fault.name.partition(":")[0] for fault in corpus}) >= 15


@pytest.mark.parametrize("chosen", CHOSEN)
def test_a_fault_is_named(chosen, corpus):
    place = next(place for place, fault in enumerate(corpus) if fault.name.startswith(chosen))
    detection = monitoring_power.detect(place)
    assert detection.detected, detection.first


def test_stable_windows_raise_no_alarm(scene, monkeypatch):
    monkeypatch.setattr(monitoring_power, "RUN_WINDOWS", 3)
    assert [[], [], []] == [alarms for alarms, _ in monitoring_power.stable_run(1)]

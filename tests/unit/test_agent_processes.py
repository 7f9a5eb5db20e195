"""Processes are identified by a label in their environment, which the kernel exposes a moment after their start."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from slipway.agent import processes

LABEL = "SLIPWAY_TEST_LABEL"


@pytest.fixture
def process():
    command = [sys.executable, "-c", "import time; print('started', flush=True); time.sleep(60)"]
    child = subprocess.Popen(command, env=os.environ | {LABEL: "mine"}, stdout=subprocess.PIPE)
    child.stdout.readline()
    yield child
    child.kill()
    child.communicate()


def test_a_process_whose_environment_is_exposed_late_is_found(process, monkeypatch):
    exposed, environ = set(), psutil.Process.environ

    def late(running: psutil.Process) -> dict[str, str]:
        is_exposed = running.pid in exposed
        exposed.add(running.pid)
        return environ(running) if is_exposed else {}

    monkeypatch.setattr(psutil.Process, "environ", late)
    assert ["mine"] == [label for running, label in processes.labeled(LABEL).items() if running.pid == process.pid]


def test_a_thread_of_the_kernel_is_not_waited_for(process, monkeypatch):
    monkeypatch.setattr(psutil.Process, "environ", lambda _: {})
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 0.0)
    monkeypatch.setattr(processes.time, "sleep", lambda _: pytest.fail("waited"))
    assert {} == processes.labeled(LABEL)

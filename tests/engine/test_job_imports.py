"""Modules of a job that hand the work to other processes load no library of tables: loading them takes seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"deepchecks", "dvc", "onnxruntime", "pandas", "pyarrow", "scipy", "sklearn"}
MODULES = (
    "slipway.checks.job",
    "slipway.deployment.delivery",
    "slipway.deployment.report",
    "slipway.pipeline.run",
    "slipway.pull_request.jobs",
    "slipway.pull_request.report",
    "slipway.release.build",
    "slipway.supply_chain.verification",
)


@pytest.mark.parametrize("module", MODULES)
def test_a_job_that_starts_other_processes_loads_no_library_of_tables(module):
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set() == HEAVY & set(done.stdout.split())

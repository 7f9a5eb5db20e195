"""Modules of a job that hand the work to other processes load no library of tables, and build no validator that they do
not use. Otherwise each start of the command line takes longer, by seconds for the libraries.
"""

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


PROGRAM = """
import sys, {module}
from pydantic import BaseModel

def models(of):
    for model in of.__subclasses__():
        yield model
        yield from models(model)

print(*sys.modules)
engine = (model for model in models(BaseModel) if model.__module__.startswith("slipway."))
print(*(model.__name__ for model in engine if not model.model_config.get("defer_build")))
"""
READ_AT_ONCE = {"QuickModel"}  # the service reads its schema


@pytest.mark.parametrize("module", MODULES)
def test_a_job_that_starts_other_processes_loads_no_library_of_tables_and_builds_no_unused_validator(module):
    program = PROGRAM.format(module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules, built = map(set, map(str.split, done.stdout.split("\n")[:2]))
    assert set() == HEAVY & modules
    assert built <= READ_AT_ONCE

"""Fixtures with the sample's model, trained by the pipeline's stages in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slipway.lab import monitoring_power

ROOT = Path(__file__).parents[3]
STAGES = ("prepare", "train", "export", "evaluate")


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """Return a folder with data, params.yaml, and the outputs of the stages."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("data", "params.yaml"):
        (folder / name).symlink_to(ROOT / name)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage in STAGES:
        command = [sys.executable, *stages[stage]["cmd"].split()[1:]]
        done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stderr
    return folder


@pytest.fixture(scope="session")
def scene(trained):
    """Return the release that is trained here, and the data after it; `slipway.lab.monitoring_power` caches it."""
    with contextlib.chdir(trained):
        return monitoring_power.scene()

"""Git tracks no output of DVC, because DVC would skip a stage whose outputs git restores."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml


def tracked(*paths: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z", "--", *paths], capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name]


def outputs() -> set[str]:
    """Return the outputs that DVC caches. Metrics and plots are small, and stay in git."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outs = (out for stage in stages.values() for out in stage.get("outs", []))
    return {out if isinstance(out, str) else next(iter(out)) for out in outs}


def test_no_output_of_the_pipeline_is_in_git():
    assert {"model", "build/prepared"} <= outputs()
    assert [] == tracked(*outputs())


def test_no_file_of_the_dvc_cache_is_in_git():
    assert [] == tracked(".dvc/cache", ".dvc/tmp", ".dvc/config.local")


def test_no_file_that_git_ignores_is_in_git():
    listed = ["git", "ls-files", "--ignored", "--cached", "--exclude-standard"]
    assert "" == subprocess.run(listed, capture_output=True, text=True, check=True).stdout

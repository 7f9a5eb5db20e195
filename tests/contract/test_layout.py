"""Tests of the repository: the embedded store has the data, parameters have a comment, and git has no large files."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEN_MEGABYTES = 10_000_000


def test_the_embedded_store_is_under_ten_megabytes():
    size = sum(file.stat().st_size for file in (ROOT / ".dvcstore").rglob("*") if file.is_file())
    assert size < TEN_MEGABYTES


def lacking(root: Path) -> list[str]:
    """Return the objects that the embedded store lacks; none where the data is in another remote."""
    config = configparser.ConfigParser()
    config.read(root / ".dvc/config")
    if config["core"]["remote"] != "embedded":
        return []
    (out,) = yaml.safe_load((root / "data.dvc").read_text())["outs"]
    return [] if (root / ".dvcstore/files/md5" / out["md5"][:2] / out["md5"][2:]).is_file() else [out["md5"]]


def test_the_embedded_store_has_the_data_of_data_dvc():
    assert [] == lacking(ROOT)


@pytest.mark.parametrize(("remote", "expected"), [("embedded", ["ab12"]), ("bucket", [])])
def test_only_the_embedded_remote_requires_data_in_the_store(tmp_path, remote, expected):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(f"[core]\n    remote = {remote}\n")
    (tmp_path / "data.dvc").write_text("outs: [{path: data, md5: ab12}]\n")
    assert expected == lacking(tmp_path)


def test_every_number_in_params_yaml_has_a_comment():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    uncommented = [line for line in lines if re.match(r"\s*\w+: [-\d.]", line) and "#" not in line]
    assert [] == uncommented


def test_no_tracked_file_is_larger_than_two_megabytes():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in tracked.split("\0") if name]
    assert [] == [file for file in files if file.exists() and file.stat().st_size > 2_000_000]

"""Evidence is written whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from slipway.files import write_json, write_text

KILLED_BEFORE_A_STEP = """
import os, signal, sys
from pathlib import Path
from slipway.files import write_text
count = 0
def step(event, arguments):
    global count
    if event in ("open", "os.mkdir", "os.rename"):
        count += 1
        if count == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
path = Path(sys.argv[1])
sys.addaudithook(step)
write_text(path, "new")
"""
WRITE = (
    "import sys; from pathlib import Path; from slipway import files; files.write_text(Path(sys.argv[1]), 'x' * 9999)"
)
IN_4_KB = ["bash", "-c", 'ulimit -f 4; exec "$@"', "bash"]


def test_the_same_content_is_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_json(tmp_path / "new" / name, {"b": 1 / 3, "a": "é"})
    assert '{\n  "b": 0.333333,\n  "a": "é"\n}\n' == (tmp_path / "new/one").read_text(encoding="utf-8")
    assert (tmp_path / "new/one").read_bytes() == (tmp_path / "new/two").read_bytes()


def test_a_file_is_the_old_or_the_new_wherever_its_writer_is_killed(tmp_path):
    path, step, killed = tmp_path / "results.json", 0, True
    while killed:
        step += 1
        path.write_text("old")
        command = [sys.executable, "-c", KILLED_BEFORE_A_STEP, str(path), str(step)]
        code = subprocess.run(command, check=False).returncode
        assert code in {0, -signal.SIGKILL}
        killed = code != 0
        assert ("old" if killed else "new") == path.read_text()
    assert step > 2


def test_without_room_the_old_file_stays_and_the_error_names_it(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    command = [*IN_4_KB, sys.executable, "-c", WRITE, str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert f"File too large: '{path}'" in done.stderr
    assert (["results.json"], "old") == ([file.name for file in tmp_path.iterdir()], path.read_text())


def test_where_a_folder_cannot_be_made_the_error_names_the_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/results\.json"):
        write_text(tmp_path / "file/results.json", "new")

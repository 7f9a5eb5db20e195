"""Writes of evidence are atomic and durable."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from slipway import files
from slipway.files import write_json, write_text
from slipway.files.tail import LINE_LENGTH_MAX, TAIL_BYTES, last_line

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


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("one", "two"):
        write_json(tmp_path / "new" / name, {"b": 1 / 3, "a": "é"})
    assert '{\n  "b": 0.333333,\n  "a": "é"\n}\n' == (tmp_path / "new/one").read_text(encoding="utf-8")
    assert (tmp_path / "new/one").read_bytes() == (tmp_path / "new/two").read_bytes()


def test_a_killed_writer_leaves_the_old_or_the_new_file(tmp_path):
    path, step, killed, observed = tmp_path / "results.json", 0, True, []
    while killed:
        step += 1
        path.write_text("old")
        command = [sys.executable, "-c", KILLED_BEFORE_A_STEP, str(path), str(step)]
        code = subprocess.run(command, check=False).returncode
        assert code in {0, -signal.SIGKILL}
        killed = code != 0
        observed.append(path.read_text())
    assert ["new", "old"] == sorted(set(observed))
    assert "new" == observed[-1]
    assert step > 3


def test_a_full_disk_leaves_the_old_file_and_the_error_names_it(tmp_path):
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


# --- a loss of power ---


class Recorder:
    """Records the calls that decide what is on the disk, by the name of the file or folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        self._fsync, self._replace = os.fsync, Path.replace
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(Path, "replace", lambda *paths: self.replace(*paths))
        monkeypatch.setattr(os, "sync", lambda: self.calls.append(("sync", "everything")))

    def fsync(self, descriptor: int) -> None:
        self.calls.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        self._fsync(descriptor)

    def replace(self, source: Path, target: Path) -> Path:
        self.calls.append(("replace", f"{source.name} {source.stat().st_size}"))
        return self._replace(source, target)


@pytest.fixture
def recorder(monkeypatch):
    return Recorder(monkeypatch)


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, recorder):
    write_text(tmp_path / "state.json", "whole")
    aside = ".state.json.incoming"
    assert [("fsync", aside), ("replace", f"{aside} 5"), ("fsync", tmp_path.name)] == recorder.calls


def test_new_folders_are_on_the_disk_before_the_file(tmp_path, recorder):
    write_text(tmp_path / "a/b/file", "x")
    assert [("fsync", "a"), ("fsync", tmp_path.name)] == recorder.calls[:2]
    assert ("fsync", "b") == recorder.calls[-1]


def test_a_folder_is_whole_on_the_disk_before_it_is_renamed(tmp_path, recorder):
    (tmp_path / "aside/inside").mkdir(parents=True)
    (tmp_path / "aside/inside/file").write_text("x")
    (tmp_path / "aside/link").symlink_to("nowhere")
    files.move(tmp_path / "aside", tmp_path / "release")
    *before, renamed, last = recorder.calls
    assert {("fsync", "inside"), ("fsync", "file"), ("fsync", "aside")} == set(before)
    assert ("replace", ("fsync", tmp_path.name)) == (renamed[0], last)


def test_many_files_are_synced_together(tmp_path, recorder):
    (tmp_path / "aside").mkdir()
    for number in range(files.SYNCED_SINGLY_MAX + 1):
        (tmp_path / "aside" / str(number)).touch()
    files.move(tmp_path / "aside", tmp_path / "release")
    assert ["sync", "replace", "fsync"] == [name for name, _ in recorder.calls]


def test_a_file_that_cannot_be_synced_is_not_put_in_place(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", _failing(errno.EIO))
    with pytest.raises(OSError, match=r"Input/output error: '.*state\.json'"):
        write_text(path, "new")
    assert (["state.json"], "old") == ([file.name for file in tmp_path.iterdir()], path.read_text())


@pytest.mark.parametrize("code", [errno.EACCES, errno.EINVAL])
def test_a_system_that_opens_or_syncs_no_folder_is_no_error(tmp_path, monkeypatch, code):
    fsync, opening = os.fsync, os.open

    def open_file(path, *arguments, **options):
        return (
            _failing(code)() if Path(path).is_dir() and code == errno.EACCES else opening(path, *arguments, **options)
        )

    def sync(descriptor):
        return _failing(code)() if stat.S_ISDIR(os.fstat(descriptor).st_mode) else fsync(descriptor)

    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(os, "fsync", sync)
    write_text(tmp_path / "new/file", "x")
    assert "x" == (tmp_path / "new/file").read_text()


def test_a_folder_that_the_disk_fails_to_sync_is_an_error(tmp_path, monkeypatch):
    fsync = os.fsync

    def sync(descriptor):
        return _failing(errno.EIO)() if stat.S_ISDIR(os.fstat(descriptor).st_mode) else fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match=r"Input/output error"):
        write_text(tmp_path / "file", "x")


def test_a_new_file_is_synced_with_its_folder_and_never_replaces_another(tmp_path, recorder):
    files.write_new(tmp_path / "key", b"secret", mode=0o600)
    assert [("fsync", "key"), ("fsync", tmp_path.name)] == recorder.calls
    with pytest.raises(FileExistsError):
        files.write_new(tmp_path / "key", b"other", mode=0o600)


def test_a_block_that_fails_leaves_the_old_file_and_nothing_aside(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(path) as aside:
        aside.write_text(str(1 / 0))
    assert (["table.parquet"], "old") == ([file.name for file in tmp_path.iterdir()], path.read_text())


def _failing(code: int):
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"first\nlast\n \n\n", "last"),
        (b"\x1b[31mred\x1b[0m\n", "[31mred[0m"),
        (b"\xc3\xa9 \xff\n", "\u00e9 \ufffd"),
        (b"x" * TAIL_BYTES * 2, "x" * LINE_LENGTH_MAX),
        (b"\n", ""),
        (None, ""),
    ],
)
def test_the_last_line_of_a_log_is_printable_and_bounded(tmp_path, content, expected):
    if content is not None:
        (tmp_path / "log").write_bytes(content)
    assert expected == last_line(tmp_path / "log")

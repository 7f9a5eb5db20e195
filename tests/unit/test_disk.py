"""What is wrong with a disk is one line that names the file and the mend."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from slipway import cli, disk


@pytest.mark.parametrize("code", disk.MENDS)
def test_an_error_of_the_disk_names_file_and_mend(code):
    assert f"/store/v0.1.0: {os.strerror(code)}; {disk.MENDS[code]}" == disk.told(OSError(code, "x", "/store/v0.1.0"))


def test_of_two_files_the_one_that_is_written_is_named():
    error = OSError(errno.ENOSPC, "x", "/from", None, "/to")
    assert disk.told(error).startswith("/to: No space left on device; free some room")


def test_another_error_is_none_of_the_disks():
    assert disk.told(FileNotFoundError(errno.ENOENT, "x", "/missing")) is None
    assert disk.told(shutil.Error("'a' and 'a' are the same file")) is None


def test_an_error_that_names_no_file_names_a_place_that_we_write_to():
    told = disk.told(OSError(errno.ENOSPC, "x"))
    assert os.path.isdir(told.split(": ")[0])  # noqa: PTH112  of a string


def test_of_many_files_the_first_is_named():
    why = "[Errno 28] No space left on device: '/store/a'"
    assert disk.told(shutil.Error([("a", "/store/a", why)])).startswith("/store/a: No space left on device; ")


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("ERROR: failed to transfer '7a' - [Errno 28] No space left on device: '/p/x.json' -> '/p/a.tmp'", "/p/a.tmp"),
        ("ERROR: failed to reproduce 'data.dvc': [Errno 30] Read-only file system: '/p/33'", "/p/33"),
        ("PermissionError: [Errno 13] Permission denied: 'build/prepared'", "build/prepared"),
    ],
)
def test_what_dvc_and_python_say_is_understood(said, path):
    assert disk.found(["> python stage.py", said, "ERROR: failed to run"]).startswith(f"{path}: ")


def test_a_line_that_names_a_file_is_better_than_one_that_does_not():
    lines = ["[Errno 28] No space left on device", "[Errno 28] No space left on device: '/p/a'"]
    assert disk.found(lines).startswith("/p/a: ")


def test_other_lines_say_nothing_of_the_disk():
    assert disk.found(["FileNotFoundError: [Errno 2] No such file or directory: 'a'", "ERROR: failed"]) is None


def test_the_command_line_says_it_in_one_line(monkeypatch, capsys):
    def full():
        raise OSError(errno.ENOSPC, "x", "results/train.json")

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert 2 == ended.value.code
    said = capsys.readouterr().err
    assert "slipway: results/train.json: No space left on device; free some room there, then run it again\n" == said

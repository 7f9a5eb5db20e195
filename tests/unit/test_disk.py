"""A disk error becomes a one-line message with the file and the fix."""

from __future__ import annotations

import errno
import os
import shutil
import sys

import pytest

from slipway import cli
from slipway.cli import groups
from slipway.files import disk


@pytest.mark.parametrize("code", disk.REMEDIES)
def test_a_disk_error_names_the_file_and_the_fix(code):
    assert f"/store/v0.1.0: {os.strerror(code)}; {disk.REMEDIES[code]}" == disk.explain(
        OSError(code, "x", "/store/v0.1.0")
    )


def test_an_error_with_two_files_names_the_written_one():
    error = OSError(errno.ENOSPC, "x", "/from", None, "/to")
    assert disk.explain(error).startswith("/to: No space left on device; free some space")


def test_other_errors_are_not_explained():
    assert disk.explain(FileNotFoundError(errno.ENOENT, "x", "/missing")) is None
    assert disk.explain(shutil.Error("'a' and 'a' are the same file")) is None


def test_an_error_without_a_file_names_a_folder_that_slipway_writes_to():
    message = disk.explain(OSError(errno.ENOSPC, "x"))
    assert os.path.isdir(message.split(": ")[0])  # noqa: PTH112  of a string


def test_an_error_with_several_files_names_the_first():
    reason = "[Errno 28] No space left on device: '/store/a'"
    assert disk.explain(shutil.Error([("a", "/store/a", reason)])).startswith("/store/a: No space left on device; ")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("ERROR: failed to transfer '7a' - [Errno 28] No space left on device: '/p/x.json' -> '/p/a.tmp'", "/p/a.tmp"),
        ("ERROR: failed to reproduce 'data.dvc': [Errno 30] Read-only file system: '/p/33'", "/p/33"),
        ("PermissionError: [Errno 13] Permission denied: 'build/prepared'", "build/prepared"),
    ],
)
def test_messages_of_dvc_and_python_are_parsed(line, path):
    assert disk.explain_output(["> python stage.py", line, "ERROR: failed to run"]).startswith(f"{path}: ")


def test_a_line_that_names_a_file_is_preferred():
    lines = ["[Errno 28] No space left on device", "[Errno 28] No space left on device: '/p/a'"]
    assert disk.explain_output(lines).startswith("/p/a: ")


def test_output_without_a_disk_error_is_not_explained():
    assert disk.explain_output(["FileNotFoundError: [Errno 2] No such file or directory: 'a'", "ERROR: failed"]) is None


def test_the_command_line_prints_a_disk_error_in_one_line(monkeypatch, capsys):
    def full():
        raise OSError(errno.ENOSPC, "x", "results/train.json")

    monkeypatch.setattr(groups, "_function", lambda _: full)
    monkeypatch.setattr(sys, "argv", ["slipway", "status"])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert 2 == exit_.value.code
    assert (
        "slipway: results/train.json: No space left on device; free some space there, then run it again\n"
        == capsys.readouterr().err
    )

"""Tests of functions in a process of their own."""

from __future__ import annotations

import os

import pytest

from slipway.errors import DataError, ToolError
from slipway.scaffold import forked


def _refuse(column: str) -> None:
    raise DataError(f"{column}: refused")


def _crash() -> None:
    os._exit(9)


def test_the_result_comes_from_another_process():
    assert os.getpid() != forked.call(os.getpid)


def test_an_error_of_the_user_is_raised_here():
    with pytest.raises(DataError, match="x: refused"):
        forked.call(_refuse, "x")


def test_a_process_without_a_result_is_an_error():
    with pytest.raises(ToolError, match="crash: its process ended with 9"):
        forked.call(_crash)

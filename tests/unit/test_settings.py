"""A broken params.yaml is one line with the mend."""

from __future__ import annotations

import pytest

from slipway.errors import UserError
from slipway.settings import read_params


@pytest.mark.parametrize("text", ["", "just words", "a: [1", "- 1\n- 2"])
def test_a_broken_file_is_named(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"params\.yaml"):
        read_params(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"params\.yaml: not found"):
        read_params(tmp_path / "params.yaml")

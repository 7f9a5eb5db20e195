"""The images of a demo: in a registry on loopback, in a folder, or none with a stated reason."""

from __future__ import annotations

import os

import pytest

from slipway import tools
from slipway.errors import ToolError
from slipway.local import images


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    """Lines of the log, on a machine that can make a base."""
    monkeypatch.setattr(images.base, "make", lambda _: None)
    return []


def test_without_a_base_there_are_no_images_and_the_reason_is_logged(tmp_path, monkeypatch, lines):
    def fail(_) -> None:
        raise ToolError("apt-get update: no network")

    monkeypatch.setattr(images.base, "make", fail)
    assert "none" == images.setting(tmp_path / "images", os.environ, lines.append)
    assert ["no images of releases: apt-get update: no network"] == lines


def test_without_a_registry_images_go_to_a_folder(tmp_path, monkeypatch, lines):
    monkeypatch.setattr(tools.Tool, "find", lambda _: None)
    assert f"oci:{tmp_path}/images/images" == images.setting(tmp_path / "images", os.environ, lines.append)
    assert [] == lines

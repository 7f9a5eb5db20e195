"""The registry of a demo, on loopback."""

from __future__ import annotations

import os

import httpx

from slipway.local import images


def test_an_installed_registry_is_started_on_loopback(tmp_path, tool, monkeypatch):
    _ = tool("docker-registry"), tool("skopeo")
    started, start = [], images.start_registry

    def keep(*arguments):
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(images.base, "make", lambda _: None)
    monkeypatch.setattr(images, "start_registry", keep)
    name = images.setting(tmp_path / "images", os.environ, lambda _: None)
    ((address, process),) = started
    try:
        assert f"{address}/demo/model" == name
        assert address.startswith("127.0.0.1:")
        assert 200 == httpx.get(f"http://{address}/v2/").status_code
    finally:
        process.terminate()
        process.wait(20)

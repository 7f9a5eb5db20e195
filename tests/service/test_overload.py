"""Ten times what a worker takes at once: who is refused hears so at once, and nobody else notices.

It measures time, so nothing else may run beside it. The load generator is a process of its own on the second core; its
own share of a core is printed, and it must not be the limit.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import httpx
import yaml

ROW = b'{"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": null}'
PLACES = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())["serving"]["max_concurrency"]
OVER = 10
REFUSED_WITHIN = 0.1
RECOVERED_WITHIN = 5.0
RECOVERED = 0.8  # of the rate before; two quiet runs differ by less


def quantile(latencies: list[float], share: float) -> float:
    return latencies[int(share * len(latencies))]


def rate(start_load, url: str) -> float:
    """Answers a second to 16 connections, in one second."""
    seen = json.loads(start_load(url, 16, 1, ROW).communicate(timeout=30)[0])
    assert {"200"} == set(seen["answers"])
    return len(seen["answers"]["200"]) / seen["wall"]


class Asker(threading.Thread):
    """Asks for /readyz ten times a second, each time on a connection of its own, and keeps the answers."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.answers: list[int] = []
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.1):
            self.answers.append(httpx.get(f"{self.url}/readyz", timeout=2).status_code)


def test_ten_times_capacity(url, start_load):
    before = rate(start_load, url)
    asker = Asker(url)
    load = start_load(url, OVER * PLACES, 4, ROW)
    asker.start()
    seen = json.loads(load.communicate(timeout=60)[0])
    end = time.monotonic()
    asker.done.set()
    asker.join()
    after = 0.0
    while after < RECOVERED * before and time.monotonic() < end + RECOVERED_WITHIN - 1:
        after = rate(start_load, url)

    answers = {status: len(each) for status, each in seen["answers"].items()}
    refused = quantile(seen["answers"]["503"], 0.99)
    print(f"{answers}, 503 p99 {refused * 1000:.0f} ms, generator {seen['cpu']:.0%}; {before:.0f} -> {after:.0f}/s")
    assert ({"200", "503"}, 0, 0) == (set(answers), seen["lost"], seen["refused"])
    assert refused < REFUSED_WITHIN
    assert {200} == set(asker.answers)
    assert answers["200"] / seen["wall"] > before / 20
    assert after > RECOVERED * before
    assert seen["cpu"] < 0.9

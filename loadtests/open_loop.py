"""The load test as Locust runs it, open loop: each request is due at a time that was drawn before the run.

`slipway loadtest` writes a plan, calls `locust --headless -f loadtests/open_loop.py --plan results/loadtest/plan.json`
and judges what this leaves beside the plan: `samples.csv` (every request) and `generator.json` (the generator's CPU).

A connection that is free takes the next request of the plan, waits until it is due and sends it. When the service
stalls, requests become due while all connections wait: their latency counts from when they were due.
"""

from __future__ import annotations

import csv
import gc
import json
import time
from pathlib import Path

import gevent
from answer import read_answer
from gevent.event import Event
from locust import FastHttpUser, events, task
from locust.exception import StopUser
from shape import WarmUpThenMeasure

__all__ = ["Caller", "WarmUpThenMeasure"]

SAMPLE = ("request", "free", "sent", "finished", "release", "failure")
"""Columns of samples.csv: position in the plan; three times in seconds since the start; who answered; why it failed."""


class Run:
    """A plan being played. All times are seconds since `start`."""

    def __init__(self, plan: Path) -> None:
        content = json.loads(plan.read_text(encoding="utf-8"))
        self.folder = plan.parent
        self.users, self.targets, self.requests = content["users"], content["targets"], content["requests"]
        self.warmup, self.end = content["warmup_seconds"], content["end_seconds"]
        self.timeout = content["timeout_seconds"]
        self.payloads = (self.folder / "payloads.jsonl").read_bytes().splitlines()
        self.samples: list[tuple] = []
        self.ready = Event()
        self.watched = Event()
        self._zero = 0.0
        self._next = iter(range(len(self.requests)))

    def start(self) -> None:
        """Start the clock."""
        gc.collect()
        gc.freeze()  # a full collection of what Locust has loaded would be a pause in the middle of the measuring
        self._zero = time.perf_counter()
        self.ready.set()
        gevent.spawn(self._watch_cpu)

    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._zero

    def take(self) -> int:
        """Position of the next request of the plan; when there is none the user has nothing left to do."""
        self.ready.wait()
        position = next(self._next, None)
        if position is None:
            raise StopUser
        return position

    def wait_until(self, due: float) -> None:
        """Sleep until `due`; not at all when that has passed."""
        while (left := due - self.now()) > 0:
            gevent.sleep(left)

    def over(self) -> bool:
        """Whether every request is answered and the generator's own work known, or waiting would tell nothing."""
        answered = len(self.samples) == len(self.requests) and self.watched.is_set()
        return answered or (self.ready.is_set() and self.now() > self.end + self.timeout)

    def progress(self) -> str:
        """One line for the terminal."""
        seconds = self.now() if self.ready.is_set() else 0.0
        phase = "warm-up" if seconds < self.warmup else "measuring" if seconds < self.end else "last answers"
        failed = sum(1 for sample in self.samples if sample[-1])
        return f"{seconds:5.1f} of {self.end:g} s  {phase:12}  {len(self.samples)} answered, {failed} failed"

    def save(self) -> None:
        """Write every sample."""
        with (self.folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([SAMPLE, *self.samples])

    def _watch_cpu(self) -> None:
        self.wait_until(self.warmup)
        seconds, cpu = self.now(), time.process_time()
        self.wait_until(self.end)
        share = (time.process_time() - cpu) / (self.now() - seconds)
        (self.folder / "generator.json").write_text(json.dumps({"cpu": share}), encoding="utf-8")
        self.watched.set()


class Caller(FastHttpUser):
    """One connection to each target."""

    max_redirects = 0  # an answer that sends the load to another host has failed

    @task
    def predict(self) -> None:
        """Send the next request of the plan when it is due."""
        run = self.environment.run
        free, position = run.now(), run.take()
        due, target, payload = run.requests[position]
        run.wait_until(due)
        sent = run.now()
        with self.client.post(
            run.targets[target]["url"],
            name="warm-up" if due < run.warmup else run.targets[target]["name"],
            data=run.payloads[payload],
            headers={"Content-Type": "application/json", "X-Request-ID": "slipway:load-test"},
            catch_response=True,
            context={"request": position, "free": free, "sent": sent, "finished": None, "release": ""},
        ) as response:
            finished = run.now()
            release, failure = read_answer(response)
            response.request_meta["context"] |= {"finished": finished, "release": release}
            response.request_meta["response_time"] = (finished - due) * 1000
            response.failure(failure) if failure else response.success()


@events.init_command_line_parser.add_listener
def _(parser, **_) -> None:
    parser.add_argument("--plan", type=Path, required=True, help="plan.json, as `slipway loadtest` writes it")


@events.init.add_listener
def _(environment, **_) -> None:
    environment.run = Run(environment.parsed_options.plan)
    Caller.host = environment.run.targets[0]["url"]
    Caller.network_timeout = Caller.connection_timeout = environment.run.timeout
    environment.events.spawning_complete.add_listener(lambda **_: environment.run.start())
    environment.events.request.add_listener(
        lambda context, exception, **_: environment.run.samples.append((*context.values(), str(exception or "")))
    )


@events.quitting.add_listener
def _(environment, **_) -> None:
    environment.run.save()
    if environment.runner.exceptions:  # faults of this file; failed requests are evidence, and no crash
        environment.process_exit_code = 3

"""The open-loop load test as a locustfile: every request has a due time that was drawn before the run.

`slipway loadtest` writes a plan, runs `locust --headless -f loadtests/open_loop.py --plan results/loadtest/plan.json`
and evaluates the files that this module writes next to the plan: `samples.csv` (one row per request) and
`generator.json` (CPU of the load generator).

A free connection takes the next request of the plan, waits until it is due and sends it. When the service stalls,
requests become due while all connections wait; their latency counts from the due time.
"""

from __future__ import annotations

import csv
import gc
import json
import time
from pathlib import Path

import gevent
from gevent.event import Event
from locust import FastHttpUser, LoadTestShape, events, task
from locust.exception import StopUser

from slipway.loadtest.samples import read_response

SAMPLE = ("request", "free", "sent", "finished", "release", "failure")
"""Columns of samples.csv: position in the plan; three times in seconds since the start; release; reason of failure."""


class Run:
    """A running plan. All times are seconds since `start`."""

    def __init__(self, plan: Path) -> None:
        content = json.loads(plan.read_text(encoding="utf-8"))
        self.folder = plan.parent
        self.users, self.targets, self.requests = content["users"], content["targets"], content["requests"]
        self.warmup, self.end = content["warmup_seconds"], content["end_seconds"]
        self.timeout = content["timeout_seconds"]
        self.payloads = (self.folder / "payloads.jsonl").read_bytes().splitlines()
        self.samples: list[tuple] = []
        self.ready = Event()
        self.cpu_measured = Event()
        self._zero = 0.0
        self._next = iter(range(len(self.requests)))

    def start(self) -> None:
        """Start the clock."""
        gc.collect()
        gc.freeze()  # a full collection of Locust's objects would pause the generator during the measurement
        self._zero = time.perf_counter()
        self.ready.set()
        gevent.spawn(self._measure_cpu)

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self._zero

    def take(self) -> int:
        """Return the position of the next request in the plan; stop the user when there is none."""
        self.ready.wait()
        position = next(self._next, None)
        if position is None:
            raise StopUser
        return position

    def wait_until(self, due: float) -> None:
        """Sleep until the time `due`; return immediately when it has passed."""
        while (left := due - self.now()) > 0:
            gevent.sleep(left)

    def over(self) -> bool:
        """Return whether every response and the CPU measurement are complete, or the timeout has passed."""
        complete = len(self.samples) == len(self.requests) and self.cpu_measured.is_set()
        return complete or (self.ready.is_set() and self.now() > self.end + self.timeout)

    def progress(self) -> str:
        """Return one line of progress for the terminal."""
        seconds = self.now() if self.ready.is_set() else 0.0
        phase = "warm-up" if seconds < self.warmup else "measuring" if seconds < self.end else "finishing"
        failed = sum(1 for sample in self.samples if sample[-1])
        return f"{seconds:5.1f} of {self.end:g} s  {phase:9}  {len(self.samples)} responses, {failed} failed"

    def save(self) -> None:
        """Write the samples to samples.csv."""
        with (self.folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([SAMPLE, *self.samples])

    def _measure_cpu(self) -> None:
        self.wait_until(self.warmup)
        seconds, cpu = self.now(), time.process_time()
        self.wait_until(self.end)
        utilization = (time.process_time() - cpu) / (self.now() - seconds)
        (self.folder / "generator.json").write_text(json.dumps({"cpu": utilization}), encoding="utf-8")
        self.cpu_measured.set()


class WarmUpThenMeasure(LoadTestShape):
    """Keeps all users connected from the start; the plan's due times set the rate, not the number of users."""

    def tick(self) -> tuple[int, int] | None:
        """Print the progress once per second; stop the run after the last response, or at the deadline."""
        run = self.runner.environment.run
        print(run.progress(), flush=True)
        return None if run.over() else (run.users, run.users)


class PlanUser(FastHttpUser):
    """A Locust user that sends requests of the plan, with one connection to each target."""

    max_redirects = 0  # a redirect would send the load to another host, so it counts as a failure

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
            release, failure = read_response(response)
            response.request_meta["context"] |= {"finished": finished, "release": release}
            response.request_meta["response_time"] = (finished - due) * 1000
            response.failure(failure) if failure else response.success()


@events.init_command_line_parser.add_listener
def _(parser, **_) -> None:
    parser.add_argument("--plan", type=Path, required=True, help="path of the plan.json that `slipway loadtest` wrote")


@events.init.add_listener
def _(environment, **_) -> None:
    environment.run = Run(environment.parsed_options.plan)
    PlanUser.host = environment.run.targets[0]["url"]
    PlanUser.network_timeout = PlanUser.connection_timeout = environment.run.timeout
    environment.events.spawning_complete.add_listener(lambda **_: environment.run.start())
    environment.events.request.add_listener(
        lambda context, exception, **_: environment.run.samples.append((*context.values(), str(exception or "")))
    )


@events.quitting.add_listener
def _(environment, **_) -> None:
    environment.run.save()
    if environment.runner.exceptions:  # errors of this file; failed requests are evidence and no crash
        environment.process_exit_code = 3

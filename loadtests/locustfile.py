"""A closed-loop load on a running service; users, spawn rate and run time are options of Locust:

    locust -f loadtests/locustfile.py --host http://127.0.0.1:3000

Each user sends one valid row per second and waits for the response. `slipway loadtest` measures latency with
open_loop.py instead, where a slow service cannot slow the load down.
"""

from __future__ import annotations

import itertools
import logging
import sys
from pathlib import Path

from locust import FastHttpUser, constant_throughput, events, task

from slipway.errors import UserError
from slipway.loadtest import PAYLOADS
from slipway.loadtest.loadtest import address
from slipway.loadtest.samples import read_response
from slipway.schema.payloads import read_payloads
from slipway.settings import read_settings

USAGE_ERROR_STATUS = 2  # exit status


class Client(FastHttpUser):
    """A client of the service that sends one request per second, or fewer when the service takes longer."""

    wait_time = constant_throughput(1)
    max_redirects = 0  # a redirect would send the load to another host, so it counts as a failure

    @task
    def predict(self) -> None:
        """Send the next row; a response without a finite prediction is a failure, whatever its status."""
        with self.client.post(
            "/predict",
            data=next(self.environment.payloads),
            headers={"Content-Type": "application/json", "X-Request-ID": "slipway:load-test"},
            catch_response=True,
        ) as response:
            _, failure = read_response(response)
            response.failure(failure) if failure else response.success()


@events.init_command_line_parser.add_listener
def _(parser, **_) -> None:
    parser.add_argument(
        "--payloads",
        type=Path,
        default=PAYLOADS,
        help="Rows to send, as .parquet, .json or .jsonl; `slipway train` writes the default.",
    )


@events.init.add_listener
def _(environment, **_) -> None:
    try:
        settings = read_settings()
        rows = read_payloads(environment.parsed_options.payloads, settings.loadtest.payloads, settings.seed)
    except UserError as error:
        logging.error("%s", error)
        sys.exit(USAGE_ERROR_STATUS)
    environment.payloads = itertools.cycle(row.encode() for row in rows)


@events.test_start.add_listener
def _(environment, **_) -> None:
    try:
        address(environment.host or "", read_settings().loadtest.hosts)
    except UserError as error:  # Locust would log an exception in a listener and send its load nevertheless
        logging.error("%s", error)
        environment.process_exit_code = USAGE_ERROR_STATUS
        environment.runner.quit()

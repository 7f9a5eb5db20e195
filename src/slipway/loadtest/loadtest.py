"""`slipway loadtest`: an open-loop load test that draws a plan of requests, runs it with Locust and evaluates it.

Example: `slipway loadtest --url http://127.0.0.1:3000`. All files of a run are in results/loadtest/.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from slipway import output
from slipway.environment import client
from slipway.environment.environment import Environment
from slipway.errors import ArgumentError, NotReadyError, ToolError
from slipway.gates import Outcome
from slipway.gates.loadtest import LoadTestEvidence, compare, judge
from slipway.loadtest.plan import Request, draw_plan
from slipway.loadtest.samples import Sample, in_pairs, read_samples, summarize
from slipway.results import RESULTS, Job, JobResult, recorded
from slipway.schema.payloads import read_payloads
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.gates import Verdict
    from slipway.settings import Settings
    from slipway.settings.serving import LoadTestSection

JOB = "loadtest"
LOAD_TEST: Final = Job(JOB, JobResult[LoadTestEvidence])
LOCUSTFILE = Path("loadtests/open_loop.py")
OVERHEAD_SECONDS = 60  # for Locust to start, stop and write its report, in addition to the run itself


def main(environment: str, url: str, against: str, payloads: Path) -> int:
    """Run the load test, print its verdicts and return the exit status: 0 only when every gate passed."""
    if bool(environment) == bool(url):
        raise ArgumentError("loadtest: requires exactly one target; set --environment or --url")
    result = load_test(environment or url, payloads, read_settings(), against)
    files = f"{RESULTS / JOB}.json, {RESULTS / JOB / 'report.html'}"
    output.result(result, f"{table(result.verdicts)}\n{result.outcome}: {files}")
    return 0 if result.outcome is Outcome.PASS else 1


def load_test(
    target: str, payloads: Path, settings: Settings, against: str = "", results: Path = RESULTS
) -> JobResult[LoadTestEvidence]:
    """Run a load test of `target` with rows of the file `payloads` and return the result.

    `target` and `against` are environments or URLs; with `against`, requests to both are interleaved. The result is
    recorded in results/loadtest.json. Raises UserError for a host that is not allowed, for invalid rows, and when
    Locust crashes.
    """
    limits, seed = settings.loadtest, settings.seed
    with recorded(LOAD_TEST, results) as result:
        targets = [address(name, limits.hosts) for name in (target, against) if name]
        result.evidence = subject(target, targets[0])
        bodies = read_payloads(payloads, limits.payloads, seed)
        plan = draw_plan(limits, len(targets), len(bodies), seed)
        samples, cpu = play(plan, targets, bodies, limits, results / JOB)
        update = {"targets": targets, "rate": limits.rate, "generator_cpu": cpu}
        result.evidence = summarize(plan, samples, result.evidence.model_copy(update=update))
        result.verdicts = judge(result.evidence, limits)
        if against:
            result.verdicts.append(compare(in_pairs(samples), limits, seed))
    return result


def address(name: str, hosts: Sequence[str]) -> str:
    """Return the URL of an environment, or the given URL. Raises UserError for a host that is not allowed."""
    url = name if "://" in name else Environment(name).url
    host = urlsplit(url).hostname
    if not host or not url.startswith(("http://", "https://")):
        raise ArgumentError(f"{url}: not the URL of a service; give a URL such as http://127.0.0.1:3000")
    if not _is_loopback(host) and host not in hosts:
        raise ArgumentError(f"{url}: not this machine; if you own it, add {host} to loadtest.hosts in params.yaml")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def subject(target: str, url: str) -> LoadTestEvidence:
    """Return the environment and release under test, so that the result is stored with that release."""
    served = client.get_release(url)
    environment = None if "://" in target else target
    return LoadTestEvidence(environment=environment, release=served and served.version)


def play(
    plan: Sequence[Request], targets: Sequence[str], bodies: Sequence[str], limits: LoadTestSection, folder: Path
) -> tuple[list[Sample], float | None]:
    """Run a plan with Locust; return the samples and the load generator's CPU as a fraction of one core."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = ("candidate", "production") if len(targets) > 1 else ("service",)
    end = limits.warmup_seconds + limits.seconds * len(targets)
    content = {
        "targets": [{"name": name, "url": f"{url}/predict"} for name, url in zip(names, targets, strict=True)],
        "users": limits.users,
        "warmup_seconds": limits.warmup_seconds,
        "end_seconds": end,
        "timeout_seconds": limits.timeout_seconds,
        "requests": [(request.due, request.target, request.payload) for request in plan],
    }
    (folder / "plan.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "payloads.jsonl").write_text("\n".join(bodies), encoding="utf-8")
    _run_locust(folder, end + limits.timeout_seconds + OVERHEAD_SECONDS)
    return read_samples(folder / "samples.csv", plan), _read_cpu(folder / "generator.json")


def _run_locust(folder: Path, seconds: float) -> None:
    """Run Locust with its progress on the terminal and its log in locust.log."""
    log = folder / "locust.log"
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--exit-code-on-error", "0"]
    command += ["-f", str(LOCUSTFILE), "--plan", str(folder / "plan.json")]
    command += ["--html", str(folder / "report.html"), "--json-file", str(folder / "locust")]
    with log.open("w", encoding="utf-8") as stderr:
        try:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stderr=stderr, env=_environment(), timeout=seconds, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            raise NotReadyError(f"Locust did not end within {seconds:g} s; see {log}") from None
    if code or not (folder / "samples.csv").is_file():
        raise ToolError(f"Locust failed (exit status {code}); see {log}")


def _environment() -> dict[str, str]:
    """Return this environment without Locust's own settings, which would override the plan."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    return inherited | {"GEVENT_BACKEND": "select"}  # its timers are 0.2 ms late, those of epoll 0.7 ms


def _read_cpu(path: Path) -> float | None:
    return float(json.loads(path.read_text(encoding="utf-8"))["cpu"]) if path.is_file() else None


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a table for the terminal: gate, limit, observed value and outcome."""
    rows = [("gate", "limit", "observed", "outcome")]
    rows += [
        (verdict.gate, verdict.threshold, verdict.observed, f"{verdict.outcome} {verdict.reason}")
        for verdict in verdicts
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)

"""The load test: draw a plan of requests, let Locust play it, and judge what it measured.

`slipway loadtest --url http://127.0.0.1:3000`. Everything of a run stays in results/loadtest/.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from slipway.delivery import clients
from slipway.delivery.home import gateway_url
from slipway.delivery.load.payloads import read_payloads
from slipway.delivery.load.plan import Request, draw_plan
from slipway.delivery.load.samples import Sample, in_pairs, read_samples, summarise
from slipway.errors import UserError
from slipway.gates import Outcome
from slipway.gates.loadtest import compare, judge
from slipway.results import RESULTS, recorded
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.gates import Verdict
    from slipway.results import JobResult

JOB = "loadtest"
LOCUSTFILE = Path("loadtests/open_loop.py")
PATIENCE_SECONDS = 60  # for Locust to start, to stop and to write its report, beside the run itself


def main(environment: str, url: str, against: str, payloads: Path) -> int:
    """What `slipway loadtest` does. Returns its exit code: 0 only when every gate passed."""
    if bool(environment) == bool(url):
        raise UserError("slipway loadtest: needs one target; name --environment or --url")
    result = load_test(environment or url, payloads, read_params(), against)
    print(table(result.verdicts))
    print(f"{result.outcome}: {RESULTS / JOB}.json, {RESULTS / JOB / 'report.html'}")
    return 0 if result.outcome is Outcome.PASS else 1


def load_test(
    target: str, payloads: Path, params: Mapping[str, Any], against: str = "", results: Path = RESULTS
) -> JobResult:
    """Load `target` with rows of the file `payloads`, in turns with `against` if given; both an environment or a URL.

    Records results/loadtest.json and returns it. Raises UserError for an address that may not be loaded, for rows that
    may not be sent, and when Locust itself crashed.
    """
    limits, seed = params[JOB], params["seed"]
    with recorded(JOB, results) as result:
        targets = [address(name, limits["hosts"]) for name in (target, against) if name]
        result.evidence = subject(target, targets[0])
        bodies = read_payloads(payloads, limits["payloads"], seed)
        plan = draw_plan(limits, len(targets), len(bodies), seed)
        samples, cpu = play(plan, targets, bodies, limits, results / JOB)
        offered = {"targets": targets, "rate": limits["rate"], "generator_cpu": cpu}
        result.evidence |= {**offered, **summarise(plan, samples, limits["rate"])}
        result.verdicts = judge(result.evidence, limits)
        if against:
            result.verdicts.append(compare(in_pairs(samples), limits, seed))
    return result


def address(name: str, hosts: Sequence[str]) -> str:
    """URL of an environment or URL; refuses a host of which nobody has said that it may be loaded."""
    url = name if "://" in name else gateway_url(name)
    host = urlsplit(url).hostname
    if not host or not url.startswith(("http://", "https://")):
        raise UserError(f"{url}: not the address of a service; give one such as http://127.0.0.1:3000")
    if not _is_loopback(host) and host not in hosts:
        raise UserError(f"{url}: not this machine; if it is yours, list {host} in loadtest.hosts of params.yaml")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def subject(target: str, url: str) -> dict[str, str]:
    """What is loaded, so that the result is kept with the release that it is about."""
    shown = clients.get_release(url) or {}
    named = {"release": str(shown["version"])} if "version" in shown else {}
    return named if "://" in target else {"environment": target, **named}


def play(
    plan: Sequence[Request], targets: Sequence[str], bodies: Sequence[str], limits: Mapping[str, Any], folder: Path
) -> tuple[list[Sample], float | None]:
    """Run Locust on a plan. Returns every answer, and the CPU of the generator as a share of one core."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = ("candidate", "production") if len(targets) > 1 else ("service",)
    end = limits["warmup_seconds"] + limits["seconds"] * len(targets)
    content = {
        "targets": [{"name": name, "url": f"{url}/predict"} for name, url in zip(names, targets, strict=True)],
        "users": limits["users"],
        "warmup_seconds": limits["warmup_seconds"],
        "end_seconds": end,
        "timeout_seconds": limits["timeout_seconds"],
        "requests": [(request.due, request.target, request.payload) for request in plan],
    }
    (folder / "plan.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "payloads.jsonl").write_text("\n".join(bodies), encoding="utf-8")
    _run_locust(folder, end + limits["timeout_seconds"] + PATIENCE_SECONDS)
    return read_samples(folder / "samples.csv", plan), _read_cpu(folder / "generator.json")


def _run_locust(folder: Path, seconds: float) -> None:
    """Let progress go to the terminal, and Locust's own words to locust.log."""
    log = folder / "locust.log"
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--exit-code-on-error", "0"]
    command += ["-f", str(LOCUSTFILE), "--plan", str(folder / "plan.json")]
    command += ["--html", str(folder / "report.html"), "--json-file", str(folder / "locust")]
    with log.open("w", encoding="utf-8") as words:
        try:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stderr=words, env=_environment(), timeout=seconds, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            raise UserError(f"{log}: Locust did not end within {seconds:g} s; its log says why") from None
    if code or not (folder / "samples.csv").is_file():
        raise UserError(f"{log}: Locust crashed (exit code {code}); its log says why")


def _environment() -> dict[str, str]:
    """Without settings of Locust that are meant for other runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    return kept | {"GEVENT_BACKEND": "select"}  # its timers are 0.2 ms late, those of epoll 0.7 ms


def _read_cpu(path: Path) -> float | None:
    return json.loads(path.read_text(encoding="utf-8"))["cpu"] if path.is_file() else None


def table(verdicts: Sequence[Verdict]) -> str:
    """Limits, what was observed and outcomes, for the terminal."""
    rows = [("gate", "limit", "observed", "outcome")]
    rows += [(each.gate, each.threshold, each.observed, f"{each.outcome} {each.reason}") for each in verdicts]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)

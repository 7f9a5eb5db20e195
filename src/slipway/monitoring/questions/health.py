"""Does the service answer, as quickly as the load test of its release, and asked no more than that proved?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.monitoring.look import Look
    from slipway.monitoring.window import Service

LATENCIES = ("p50_milliseconds", "p99_milliseconds")


def evidence(look: Look) -> dict[str, Any]:
    """Errors, refusals, latency, saturation and lost lines of the log, each over what is accepted, the worst first.

    `unproven` says what to do where no load test is kept: then latency and saturation are held against nothing.
    """
    seen, limits = look.window.service, look.limits
    if seen is None:
        return {"missing": "nobody read the counters of the service twice; look again, or `slipway collect` each hour"}
    if seen.requests < limits["minimum_requests"]:
        return {"missing": f"{seen.requests:,} requests, {limits['minimum_requests']:,} are needed"}
    findings, load = list(_shares(seen, limits)), look.reference.promise.load
    if load:
        findings += [*_latency(seen, load, limits), *_saturation(seen, load, limits)]
    about = {**vars(seen), "load": load, "findings": sorted(findings, key=lambda one: -one["score"])}
    return about if load else about | {"unproven": unproven(look.reference.promise.release)}


def unproven(release: str) -> str:
    """How to get what latency and saturation are held against."""
    return (
        f"no load test that {release} passed is kept beside it, so latency and saturation were not judged;"
        " while staging runs it: `slipway loadtest --environment staging`, then `slipway release keep`"
    )


def _shares(seen: Service, limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    failed, refused = seen.errors / seen.requests, seen.refused / seen.requests
    lost = seen.lost_rows / max(1, seen.rows)
    return [
        _finding("errors", failed / limits["error_ratio"], f"{failed:.2%} of the requests failed"),
        _finding("refusals", refused / limits["refused_ratio"], f"{refused:.2%} broke the contract"),
        _finding("lost rows", lost / limits["lost_ratio"], f"{seen.lost_rows:,} rows not logged"),
    ]


def _latency(seen: Service, load: Mapping[str, float], limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in LATENCIES:
        now, short = getattr(seen, name), name.split("_")[0]
        if now is not None:
            most = max(load[name] * limits["latency_ratio"], limits["latency_milliseconds"])
            said = f"{short} {now:.3g} ms, at most {most:.3g} ms; {load[name]:.3g} ms in the load test"
            found.append(_finding(short, now / most, said))
    return found


def _saturation(seen: Service, load: Mapping[str, float], limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    if seen.peak_rate is None:
        return []
    said = f"{seen.peak_rate:.0f} requests/s at the busiest, {load['rate']:g} were load tested"
    return [_finding("saturation", seen.peak_rate / load["rate"] / limits["saturation_ratio"], said)]


def _finding(what: str, score: float, said: str) -> dict[str, Any]:
    return {"column": "", "what": what, "score": score, "said": said}

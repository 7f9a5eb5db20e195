"""Does the service answer, and as quickly as its load test said?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.monitoring.look import Look


def evidence(look: Look) -> dict[str, Any]:
    """Errors, refusals, latency, saturation and lost lines of the log, each over what is accepted, the worst first."""
    seen, limits = look.window.service, look.limits
    if seen is None:
        return {"missing": "nobody read the metrics of the service"}
    if seen.requests < limits["minimum_requests"]:
        return {"missing": f"{seen.requests:,} requests, {limits['minimum_requests']:,} are needed"}
    load = look.reference.promise.load or {}
    share = {"errors": seen.errors / seen.requests, "refusals": seen.refused / seen.requests}
    findings = [
        _finding("errors", share["errors"] / limits["error_ratio"], f"{share['errors']:.2%} of the requests failed"),
        _finding(
            "refusals", share["refusals"] / limits["refused_ratio"], f"{share['refusals']:.2%} broke the contract"
        ),
        _finding(
            "lost rows",
            seen.lost_rows / max(1, seen.rows) / limits["lost_ratio"],
            f"{seen.lost_rows:,} rows not logged",
        ),
        *_latency(look, load),
        *_saturation(look, load),
    ]
    return {**vars(seen), "findings": sorted(findings, key=lambda one: -one["score"])}


def _latency(look: Look, load: Any) -> list[dict[str, Any]]:
    """Against the load test of the release, or where there is none, the limits that any load test has."""
    found = []
    for name in ("p50_milliseconds", "p99_milliseconds"):
        seen = getattr(look.window.service, name)
        if seen is not None:
            promised = max(load.get(name, 0.0) * look.limits["latency_ratio"], look.params["loadtest"][name])
            found.append(
                _finding(name.split("_")[0], seen / promised, f"{name[:3]} {seen:.3g} ms, at most {promised:.3g} ms")
            )
    return found


def _saturation(look: Look, load: Any) -> list[dict[str, Any]]:
    seen, proved = look.window.service.peak_rate, load.get("rate", look.params["loadtest"]["rate"])
    if seen is None:
        return []
    return [_finding("saturation", seen / proved, f"{seen:.0f} requests/s at most, {proved:g} were load tested")]


def _finding(what: str, score: float, said: str) -> dict[str, Any]:
    return {"column": "", "what": what, "score": score, "said": said}

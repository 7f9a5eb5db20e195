"""The check `health`: whether the service responds as fast as in the load test of its release, within its capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.gates.monitoring_evidence import finding, worst_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.monitoring.context import CheckContext
    from slipway.monitoring.window import ServiceCounts
    from slipway.settings.operation import MonitoringSection

LATENCIES = ("p50_milliseconds", "p99_milliseconds")


def evidence(context: CheckContext) -> dict[str, Any]:
    """Return errors, refusals, latency, saturation and lost log lines, each relative to its limit, worst first.

    Without a stored load test, latency and saturation have no limit, and `unproven` is how to obtain one.
    """
    service, limits = context.window.service, context.limits
    if service is None:
        return {
            "missing": "fewer than two counter snapshots; run `slipway monitor` again, or `slipway collect` each hour"
        }
    if service.requests < limits.minimum_requests:
        return {"missing": f"{service.requests:,} requests; {limits.minimum_requests:,} are required"}
    findings, load = _ratios(service, limits), context.reference.baseline.load
    if load:
        findings += [*_latency(service, load, limits), *_saturation(service, load, limits)]
    result = {**vars(service), "load": load, "findings": worst_first(findings)}
    return result if load else result | {"unproven": unproven(context.reference.baseline.release)}


def unproven(release: str) -> str:
    """Return why latency and saturation are not judged, and how to obtain the load test that they require."""
    return (
        f"the store has no passed load test of {release}, so latency and saturation were not judged; while staging"
        " runs it, run `slipway loadtest --environment staging`, then `slipway release keep`"
    )


def _ratios(service: ServiceCounts, limits: MonitoringSection) -> list[dict[str, Any]]:
    failed, refused = service.errors / service.requests, service.refused / service.requests
    lost = service.lost_rows / max(1, service.rows)
    return [
        finding("", "errors", failed / limits.error_ratio, f"{failed:.2%} of the requests failed"),
        finding("", "refusals", refused / limits.refused_ratio, f"{refused:.2%} violated the contract"),
        finding("", "lost rows", lost / limits.lost_ratio, f"{service.lost_rows:,} rows not logged"),
    ]


def _latency(service: ServiceCounts, load: Mapping[str, float], limits: MonitoringSection) -> list[dict[str, Any]]:
    findings = []
    for name in LATENCIES:
        measured, short = getattr(service, name), name.split("_")[0]
        if measured is not None:
            limit = max(load[name] * limits.latency_ratio, limits.latency_milliseconds)
            message = f"{short} {measured:.3g} ms, limit {limit:.3g} ms; {load[name]:.3g} ms in the load test"
            findings.append(finding("", short, measured / limit, message))
    return findings


def _saturation(service: ServiceCounts, load: Mapping[str, float], limits: MonitoringSection) -> list[dict[str, Any]]:
    if service.peak_rate is None:
        return []
    message = f"peak of {service.peak_rate:.0f} requests/s; {load['rate']:g} in the load test"
    return [finding("", "saturation", service.peak_rate / load["rate"] / limits.saturation_ratio, message)]

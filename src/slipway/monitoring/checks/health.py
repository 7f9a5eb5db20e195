"""The check `health`: whether the service responds as fast as in the load test of its release, within its capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.gates.monitoring_evidence import Finding, FindingsEvidence, worst_first

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext
    from slipway.monitoring.reference import LoadTestBaseline
    from slipway.monitoring.window import ServiceCounts
    from slipway.settings.operation import MonitoringSection

LATENCIES = ("p50_milliseconds", "p99_milliseconds")


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return errors, refusals, latency, saturation and lost log lines, each relative to its limit, worst first.

    Without a stored load test, latency and saturation have no limit, and `unproven` is how to obtain one.
    """
    service, limits = context.window.service, context.limits
    if service is None:
        missing = "fewer than two counter snapshots; run `slipway monitor` again, or `slipway collect` each hour"
        return FindingsEvidence(missing=missing)
    if service.requests < limits.minimum_requests:
        return FindingsEvidence(missing=f"{service.requests:,} requests; {limits.minimum_requests:,} are required")
    findings, load = _ratios(service, limits), context.reference.baseline.load
    if load:
        findings += [*_latency(service, load, limits), *_saturation(service, load, limits)]
    measured = {**vars(service), "load": load and load.model_dump(exclude_unset=True)}
    proof = {} if load else {"unproven": unproven(context.reference.baseline.release)}
    return FindingsEvidence.model_validate({**measured, **proof, "findings": worst_first(findings)})


def unproven(release: str) -> str:
    """Return why latency and saturation are not judged, and how to obtain the load test that they require."""
    return (
        f"the store has no passed load test of {release}, so latency and saturation were not judged; while staging"
        " runs it, run `slipway loadtest --environment staging`, then `slipway release keep`"
    )


def _ratios(service: ServiceCounts, limits: MonitoringSection) -> list[Finding]:
    failed, refused = service.errors / service.requests, service.refused / service.requests
    lost = service.lost_rows / max(1, service.rows)
    return [
        _finding("errors", failed / limits.error_ratio, f"{failed:.2%} of the requests failed"),
        _finding("refusals", refused / limits.refused_ratio, f"{refused:.2%} violated the contract"),
        _finding("lost rows", lost / limits.lost_ratio, f"{service.lost_rows:,} rows not logged"),
    ]


def _latency(service: ServiceCounts, load: LoadTestBaseline, limits: MonitoringSection) -> list[Finding]:
    findings = []
    for name in LATENCIES:
        measured, short = getattr(service, name), name.split("_")[0]
        if measured is not None:
            loaded: float = getattr(load, name)
            limit = max(loaded * limits.latency_ratio, limits.latency_milliseconds)
            message = f"{short} {measured:.3g} ms, limit {limit:.3g} ms; {loaded:.3g} ms in the load test"
            findings.append(_finding(short, measured / limit, message))
    return findings


def _saturation(service: ServiceCounts, load: LoadTestBaseline, limits: MonitoringSection) -> list[Finding]:
    if service.peak_rate is None:
        return []
    message = f"peak of {service.peak_rate:.0f} requests/s; {load.rate:g} in the load test"
    return [_finding("saturation", service.peak_rate / load.rate / limits.saturation_ratio, message)]


def _finding(what: str, score: float, message: str) -> Finding:
    """Return a finding about the service, which is no column."""
    return Finding(column="", what=what, score=score, message=message)

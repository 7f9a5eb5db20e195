"""Monitoring page of an environment: its history, window by window, in one self-contained HTML file."""

from __future__ import annotations

from datetime import datetime
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from slipway.gates import Outcome, overall
from slipway.report import charts
from slipway.report.charts import TimeChart, TimeSeries
from slipway.report.monitoring import request, title

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.gates import Verdict

HEAT_MAP_WINDOWS_MAX = 60
HEAT_LEVELS = ((0.0, "above expectation"), (0.5, "near the limit"), (1.0, "over the limit"), (2.0, "far over it"))
"""Lower bound of the score of each level of the heat map, and its label. A score below the first is as expected."""
BASELINE_KEY = "promised"  # of the metric that the release reported when it was built
OUTCOME_CLASSES = {Outcome.PASS: "good", Outcome.FAIL: "bad", Outcome.INCONCLUSIVE: "busy"}

STYLE = """
:root { color-scheme: light dark; --line: #8883; --quiet: #5b6472; --good: #15803d; --bad: #b91c1c; --busy: #b45309;
  --blue: #2563eb; --orange: #c2410c; --paper: Canvas; }
@media (prefers-color-scheme: dark) { :root { --quiet: #9ca3af; --good: #4ade80; --bad: #f87171; --busy: #fbbf24;
  --blue: #60a5fa; --orange: #fb923c; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; }
.verdict { font-size: 1.1rem; font-weight: 600; border-left: .35rem solid; padding: .3rem .75rem; margin: .75rem 0; }
.good { color: var(--good); } .bad { color: var(--bad); } .busy { color: var(--busy); } .quiet { color: var(--quiet); }
.charts { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.checks { list-style: none; padding: 0; margin: 0; display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.checks li { border-top: 1px solid var(--line); padding: .5rem 0; font-size: .9rem; }
.checks b { display: flex; justify-content: space-between; gap: 1rem; font-size: 1rem; }
.heat { font-size: .8rem; } .heat div { display: flex; align-items: center; gap: .5rem; }
.heat span { flex: 0 0 9rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.heat p { flex: 1; display: flex; margin: 0; min-width: 0; }
.heat i { flex: 1; height: 1.15rem; border: 1px solid var(--paper); }
.heat i { background: var(--line); } .heat .h1 { background: color-mix(in srgb, var(--busy) 25%, transparent); }
.heat .h2 { background: color-mix(in srgb, var(--busy) 60%, transparent); }
.heat .h3 { background: var(--bad); } .heat .h4 { background: var(--bad); outline: 2px solid currentColor; }
.heat .none { background: none; } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
.heat.legend span { flex: none; }
.legend i { flex: none; display: inline-block; width: 1rem; margin-right: .3rem; vertical-align: -.2em; }
@media (max-width: 30rem) { .heat span { flex-basis: 6.5rem; } }
"""


def render(environment: str, verdicts: Sequence[Verdict], evidence: Mapping[str, Any], points: Sequence[Any]) -> str:
    """The page. `points` are those of `slipway.monitoring.MonitorState`, oldest first."""
    head, window = title(verdicts), evidence["window"]
    kind = OUTCOME_CLASSES[overall(verdicts)]
    period = f"from {_moment(window['start'])} to {_moment(window['end'])} UTC"
    about = f"{evidence['release']}, {window['rows']:,} rows {period}"
    parts = [
        f"<h1>{escape(environment)}</h1>",
        f'<p class="verdict {kind}">{escape(head)}</p>',
        f'<p class="quiet">{escape(about)}. Retraining {escape(request(evidence["retrain"]))}.</p>',
        f'<section class="charts">\n{"".join(map(charts.render, _charts(points)))}\n</section>',
        f"<h2>Drift of each column, compared with windows of the training data</h2>\n{_heat_map(points)}",
        f'<h2>Checks</h2>\n<ul class="checks">{"".join(map(_check, verdicts))}</ul>',
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(environment)}: {escape(head)}</title>\n<style>{charts.STYLE}{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%d %b %Y %H:%M}"


def _check(verdict: Verdict) -> str:
    outcome = f'<span class="{OUTCOME_CLASSES[verdict.outcome]}">{verdict.outcome}</span>'
    text = f"{verdict.observed}. {verdict.reason}" if verdict.reason else verdict.observed
    return (
        f"<li><b><span>{escape(verdict.gate)}</span>{outcome}</b><div>{escape(text)}</div>"
        f'<div class="quiet">{escape(verdict.threshold)}</div></li>'
    )


def _charts(points: Sequence[Any]) -> list[TimeChart]:
    times, facts = [point.end for point in points], [point.facts for point in points]
    performance = [fact.get("performance") for fact in facts]
    releases = _releases(points)
    metric = next((fact["metric"] for fact in reversed(facts) if fact.get("metric")), "performance")
    values = [interval and interval["value"] for interval in performance]
    band = [
        (interval["low"], interval["high"]) if interval and interval["low"] is not None else None
        for interval in performance
    ]
    observed = TimeSeries("on late labels, with interval", values, "first")
    baseline = TimeSeries("baseline at release", [fact.get(BASELINE_KEY) for fact in facts], "second", dashed=True)
    median = TimeSeries("median", [fact.get("p50") for fact in facts], "first")
    p99 = TimeSeries("99th percentile", [fact.get("p99") for fact in facts], "second")
    rows = TimeSeries("rows", [fact.get("rows") for fact in facts], "first")
    return [
        TimeChart(f"Performance ({metric})", times, [observed, baseline], band=band, marks=releases),
        TimeChart("Rows per window", times, [rows], marks=releases, bars=True, axis_min=0.0),
        TimeChart("Latency (ms)", times, [median, p99], marks=releases, axis_min=0.0),
    ]


def _releases(points: Sequence[Any]) -> list[tuple[datetime, str]]:
    """Return the first window of each release, as (end of the window, release)."""
    changes = [points[0], *(point for previous, point in pairwise(points) if point.release != previous.release)]
    return [(point.end, point.release) for point in changes]


def _heat_map(points: Sequence[Any]) -> str:
    newest = points[-HEAT_MAP_WINDOWS_MAX:]
    columns = list(dict.fromkeys(column for point in newest for column in point.facts.get("columns", {})))
    if not columns:
        return '<p class="quiet">Nothing was measured.</p>'
    worst = {column: max(point.facts.get("columns", {}).get(column, -1.0) for point in newest) for column in columns}
    rows = "".join(_row(column, newest) for column in sorted(columns, key=lambda column: -worst[column]))
    legend = "".join(
        f'<span><i class="h{level}"></i>{label}</span>' for level, (_, label) in enumerate(HEAT_LEVELS, start=1)
    )
    expected = "<span><i></i>as expected</span>"
    return f'<div class="heat" role="table">{rows}</div><p class="heat legend">{expected}{legend}</p>'


def _row(column: str, points: Sequence[Any]) -> str:
    cells = "".join(_cell(point, column) for point in points)
    return f'<div><span title="{escape(column)}">{escape(column)}</span><p>{cells}</p></div>'


def _cell(point: Any, column: str) -> str:
    score = point.facts.get("columns", {}).get(column)
    if score is None:
        return '<i class="none"></i>'
    level = sum(score > score_min for score_min, _ in HEAT_LEVELS)
    return f'<i class="h{level}" title="{escape(column)}, {point.end:%d %b}: {score:.2f}"></i>'

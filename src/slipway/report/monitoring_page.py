"""Monitoring page of an environment: its history, window by window, in one self-contained HTML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from slipway.gates import Outcome, overall
from slipway.page import page
from slipway.report import charts
from slipway.report.charts import TimeChart, TimeSeries
from slipway.report.monitoring import request, title

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.gates import Verdict
    from slipway.gates.monitoring_evidence import MonitorEvidence, WindowFacts

HEAT_MAP_WINDOWS_MAX = 60
HEAT_LEVELS = ((0.0, "above expectation"), (0.5, "near the limit"), (1.0, "over the limit"), (2.0, "far over it"))
"""Lower bound of the score of each level of the heat map, and its label. A score below the first is as expected."""
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


@dataclass(frozen=True)
class WindowSummary:
    """Measurements of one window; None or empty where there is none."""

    end: datetime
    release: str
    rows: int | None = None
    metric: str | None = None
    performance: Mapping[str, float | str | None] | None = None
    """`value`, `low` and `high` of the metric on the labels that have arrived."""
    baseline: float | None = None
    """Value of the metric that the release reported when it was built."""
    columns: Mapping[str, float | None] = field(default_factory=dict)
    """Drift score of each column; above 1 is over the limit."""
    p50_milliseconds: float | None = None
    p99_milliseconds: float | None = None


def render(
    environment: str, verdicts: Sequence[Verdict], evidence: MonitorEvidence, windows: Sequence[WindowSummary]
) -> str:
    """Return the page. `windows` are those of the monitoring state, oldest first."""
    head, kind = title(verdicts), OUTCOME_CLASSES[overall(verdicts)]
    about = f"{evidence.release}{f', {_period(evidence.window)}' if evidence.window else ''}."
    about += f" Retraining {request(evidence.retrain)}." if evidence.retrain else ""
    parts = [
        f"<h1>{escape(environment)}</h1>",
        f'<p class="verdict {kind}">{escape(head)}</p>',
        f'<p class="quiet">{escape(about)}</p>',
        f'<section class="charts">\n{"".join(map(charts.render, _charts(windows)))}\n</section>',
        f"<h2>Drift of each column, compared with windows of the training data</h2>\n{_heat_map(windows)}",
        f'<h2>Checks</h2>\n<ul class="checks">{"".join(map(_check, verdicts))}</ul>',
    ]
    return page(f"{environment}: {head}", f"{charts.STYLE}{STYLE}", "\n".join(parts))


def _period(window: WindowFacts) -> str:
    return f"{window.rows:,} rows from {_moment(window.start)} to {_moment(window.end)} UTC"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%d %b %Y %H:%M}"


def _check(verdict: Verdict) -> str:
    outcome = f'<span class="{OUTCOME_CLASSES[verdict.outcome]}">{verdict.outcome}</span>'
    text = f"{verdict.observed}. {verdict.reason}" if verdict.reason else verdict.observed
    return (
        f"<li><b><span>{escape(verdict.gate)}</span>{outcome}</b><div>{escape(text)}</div>"
        f'<div class="quiet">{escape(verdict.threshold)}</div></li>'
    )


def _charts(windows: Sequence[WindowSummary]) -> list[TimeChart]:
    times, releases = [window.end for window in windows], _releases(windows)
    metric = next((window.metric for window in reversed(windows) if window.metric), "performance")
    values = [_number(window.performance, "value") for window in windows]
    band = [_bounds(window.performance) for window in windows]
    observed = TimeSeries("on late labels, with interval", values, "first")
    baseline = TimeSeries("baseline at release", [window.baseline for window in windows], "second", dashed=True)
    median = TimeSeries("median", [window.p50_milliseconds for window in windows], "first")
    p99 = TimeSeries("99th percentile", [window.p99_milliseconds for window in windows], "second")
    rows = TimeSeries("rows", [window.rows for window in windows], "first")
    return [
        TimeChart(f"Performance ({metric})", times, [observed, baseline], band=band, marks=releases),
        TimeChart("Rows per window", times, [rows], marks=releases, bars=True, axis_min=0.0),
        TimeChart("Latency (ms)", times, [median, p99], marks=releases, axis_min=0.0),
    ]


def _bounds(estimate: Mapping[str, float | str | None] | None) -> tuple[float, float] | None:
    low, high = _number(estimate, "low"), _number(estimate, "high")
    return None if low is None or high is None else (low, high)


def _number(estimate: Mapping[str, float | str | None] | None, name: str) -> float | None:
    number = estimate[name] if estimate else None
    return number if isinstance(number, float | int) else None


def _releases(windows: Sequence[WindowSummary]) -> list[tuple[datetime, str]]:
    """Return the first window of each release, as (end of the window, release)."""
    changes = [windows[0], *(window for previous, window in pairwise(windows) if window.release != previous.release)]
    return [(window.end, window.release) for window in changes]


def _heat_map(windows: Sequence[WindowSummary]) -> str:
    newest = windows[-HEAT_MAP_WINDOWS_MAX:]
    columns = list(dict.fromkeys(column for window in newest for column in window.columns))
    if not columns:
        return '<p class="quiet">Nothing was measured.</p>'
    worst = {column: max(_score(window, column, -1.0) for window in newest) for column in columns}
    rows = "".join(_row(column, newest) for column in sorted(columns, key=lambda column: -worst[column]))
    legend = "".join(
        f'<span><i class="h{level}"></i>{label}</span>' for level, (_, label) in enumerate(HEAT_LEVELS, start=1)
    )
    expected = "<span><i></i>as expected</span>"
    return f'<div class="heat" role="table">{rows}</div><p class="heat legend">{expected}{legend}</p>'


def _score(window: WindowSummary, column: str, default: float) -> float:
    score = window.columns.get(column)
    return default if score is None else score


def _row(column: str, windows: Sequence[WindowSummary]) -> str:
    cells = "".join(_cell(window, column) for window in windows)
    return f'<div><span title="{escape(column)}">{escape(column)}</span><p>{cells}</p></div>'


def _cell(window: WindowSummary, column: str) -> str:
    score = window.columns.get(column)
    if score is None:
        return '<i class="none"></i>'
    level = sum(score > score_min for score_min, _ in HEAT_LEVELS)
    return f'<i class="h{level}" title="{escape(column)}, {window.end:%d %b}: {score:.2f}"></i>'

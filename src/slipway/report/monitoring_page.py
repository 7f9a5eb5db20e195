"""The page that people open: how production has done, window by window. One file that needs nothing else."""

from __future__ import annotations

from datetime import datetime
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from slipway.gates import Outcome, overall
from slipway.report import charts
from slipway.report.charts import Chart, Line
from slipway.report.monitoring import title

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.gates import Verdict

SHOWN = 60  # windows in the heat map
HOT = ((0.0, "a little beyond"), (0.5, "near the limit"), (1.0, "over the limit"), (2.0, "far over it"))
"""Least score of each step of the heat map, and what it means; below the first, white."""
GOOD = {Outcome.PASS: "good", Outcome.FAIL: "bad", Outcome.INCONCLUSIVE: "busy"}

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
.questions { list-style: none; padding: 0; margin: 0; display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.questions li { border-top: 1px solid var(--line); padding: .5rem 0; font-size: .9rem; }
.questions b { display: flex; justify-content: space-between; gap: 1rem; font-size: 1rem; }
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
    """The page. `points` are those of `slipway.monitoring.Memory`, oldest first."""
    head, window = title(verdicts), evidence["window"]
    kind = GOOD[overall(verdicts)]
    period = f"from {_moment(window['start'])} to {_moment(window['end'])} UTC"
    about = f"{evidence['release']}, {window['rows']:,} rows {period}"
    parts = [
        f"<h1>{escape(environment)}</h1>",
        f'<p class="verdict {kind}">{escape(head)}</p>',
        f'<p class="quiet">{escape(about)}. {escape(_model(evidence["retrain"]))}</p>',
        f'<section class="charts">\n{"".join(map(charts.render, _charts(points)))}\n</section>',
        f"<h2>Columns: how far beyond what training did in as long</h2>\n{_heat(points)}",
        f'<h2>Questions</h2>\n<ul class="questions">{"".join(map(_question, verdicts))}</ul>',
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


def _model(retrain: Mapping[str, Any]) -> str:
    wanted = (
        f"A new model is wanted, because of {retrain['trigger']}" if retrain["wanted"] else "No new model is wanted"
    )
    return f"{wanted}: {retrain['because']}."


def _question(verdict: Verdict) -> str:
    word = f'<span class="{GOOD[verdict.outcome]}">{verdict.outcome}</span>'
    said = f"{verdict.observed}. {verdict.reason}" if verdict.reason else verdict.observed
    return (
        f"<li><b><span>{escape(verdict.gate)}</span>{word}</b><div>{escape(said)}</div>"
        f'<div class="quiet">{escape(verdict.threshold)}</div></li>'
    )


def _charts(points: Sequence[Any]) -> list[Chart]:
    times, facts = [point.end for point in points], [point.facts for point in points]
    found = [fact.get("performance") for fact in facts]
    marks = _releases(points)
    metric = next((fact["metric"] for fact in reversed(facts) if fact.get("metric")), "performance")
    values = [one and one["value"] for one in found]
    band = [(one["low"], one["high"]) if one and one["low"] is not None else None for one in found]
    promised = Line("promised", [fact.get("promised") for fact in facts], "two", dashed=True)
    late = [
        Line("50%", [fact.get("p50") for fact in facts], "one"),
        Line("99%", [fact.get("p99") for fact in facts], "two"),
    ]
    rows = Line("rows", [fact.get("rows") for fact in facts], "one")
    return [
        Chart(f"Performance ({metric})", times, [Line("on late labels, with interval", values, "one"), promised],
              band=band, marks=marks),
        Chart("Rows a window", times, [rows], marks=marks, bars=True, floor=0.0),
        Chart("Latency (ms)", times, late, marks=marks, floor=0.0),
    ]  # fmt: skip


def _releases(points: Sequence[Any]) -> list[tuple[datetime, str]]:
    """The window in which each release was first looked at."""
    changes = [
        points[0],
        *(one for before, one in pairwise(points) if one.release != before.release),
    ]
    return [(one.end, one.release) for one in changes]


def _heat(points: Sequence[Any]) -> str:
    shown = points[-SHOWN:]
    names = list(dict.fromkeys(name for point in shown for name in point.facts.get("columns", {})))
    if not names:
        return '<p class="quiet">Nothing was measured.</p>'
    worst = {name: max(point.facts.get("columns", {}).get(name, -1.0) for point in shown) for name in names}
    rows = "".join(_row(name, shown) for name in sorted(names, key=lambda name: -worst[name]))
    legend = "".join(f'<span><i class="h{place}"></i>{said}</span>' for place, (_, said) in enumerate(HOT, start=1))
    return f'<div class="heat" role="table">{rows}</div><p class="heat legend"><span><i></i>within</span>{legend}</p>'


def _row(name: str, points: Sequence[Any]) -> str:
    cells = "".join(_cell(point, name) for point in points)
    return f'<div><span title="{escape(name)}">{escape(name)}</span><p>{cells}</p></div>'


def _cell(point: Any, name: str) -> str:
    score = point.facts.get("columns", {}).get(name)
    if score is None:
        return '<i class="none"></i>'
    step = sum(score > least for least, _ in HOT)
    return f'<i class="h{step}" title="{escape(name)}, {point.end:%d %b}: {score:.2f}"></i>'

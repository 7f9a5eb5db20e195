"""Form of the service's page: it sends a row to `/explain`, and draws the contributions as bars.

The script builds elements from text, so nothing that a response contains becomes markup.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

STYLE = """
#explain textarea { width: 100%; height: 12rem; box-sizing: border-box; font-family: monospace; }
#explain .bar { display: grid; grid-template-columns: minmax(0, 14rem) minmax(4rem, 1fr) 11rem; gap: .5rem; }
#explain .bar > * { overflow-wrap: anywhere; }
#explain .bar > :last-child { white-space: nowrap; font-variant-numeric: tabular-nums; }
#explain .track { position: relative; min-height: 1rem; }
#explain .track { background: linear-gradient(#888, #888) center / 1px 100% no-repeat; }
#explain .track div { position: absolute; top: .3rem; bottom: .3rem; background: #b2182b; }
#explain .track div.down { background: #2166ac; }
@media (max-width: 40rem) {
  #explain .bar { grid-template-columns: minmax(0, 1fr) auto; gap: 0 .5rem; }
  #explain .track { grid-row: 2; grid-column: 1 / -1; }
}
"""
SCRIPT = """
const form = document.getElementById("explain");
const element = (kind, text = "", className = "") =>
  Object.assign(document.createElement(kind), {textContent: text, className});
const short = (value) => Number(value.toPrecision(3));

function bar([column, value, error], largest) {
  const line = element("div", "", "bar"), track = element("div", "", "track");
  const fill = element("div", "", value < 0 ? "down" : "up");
  const width = 50 * Math.abs(value) / largest;
  fill.style.left = `${value < 0 ? 50 - width : 50}%`;
  fill.style.width = `${width}%`;
  track.append(fill);
  line.append(element("span", column), track, element("span", `${short(value)} ± ${short(error)}`));
  return line;
}

function chart({prediction, base, contributions}) {
  const classes = typeof prediction === "number" ? [] : Object.keys(prediction);
  const likeliest = classes.reduce((best, name) => prediction[name] > prediction[best] ? name : best, classes[0]);
  const number = (value) => likeliest === undefined ? value : value[likeliest];
  const bars = Object.entries(contributions)
    .map(([column, {value, standard_error}]) => [column, number(value), number(standard_error)])
    .sort((first, second) => Math.abs(second[1]) - Math.abs(first[1]));
  const largest = Math.max(...bars.map(([, value]) => Math.abs(value))) || 1;
  const subject = likeliest === undefined ? "Prediction" : `Probability of ${likeliest}`;
  const sum = `${subject} ${short(number(prediction))} = base ${short(number(base))} + contributions`;
  return [element("p", `${sum}, with standard errors`), ...bars.map((values) => bar(values, largest))];
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const headers = {"content-type": "application/json"};
  const response = await fetch(form.action, {method: "POST", headers, body: form.elements.row.value});
  const content = await response.json();
  const rules = () => content.details.map(({field, rule}) => element("p", field ? `${field}: ${rule}` : rule));
  form.querySelector("output").replaceChildren(...(response.ok ? chart(content) : rules()));
});
"""


def section(row: Mapping[str, Any], prefix: str) -> str:
    """Return the section of the page for rows of the JSON schema `row`; `prefix` is that of the client's proxy."""
    example = {name: _value(field) for name, field in row["properties"].items()}
    text = json.dumps(example, indent=1, ensure_ascii=False)
    return f"""<h2>Explanation of a prediction</h2>
<p>What each column adds to the prediction for this row, compared with training rows.</p>
<form id="explain" action="{escape(prefix)}/explain"><textarea name="row" aria-label="Row">{escape(text)}</textarea>
<p><button>Explain</button></p><output></output></form>
<script>{SCRIPT}</script>"""


def _value(field: Mapping[str, Any]) -> Any:
    """Return a value to start from: an example or default of the field, or else the first one that its type has."""
    if "anyOf" in field:
        return _value(field["anyOf"][0] | {key: field[key] for key in ("examples", "default") if key in field})
    candidates = [*field.get("examples", []), *field.get("enum", [])]
    if "default" in field or candidates:
        return candidates[0] if candidates else field["default"]
    if "const" in field:
        return field["const"]
    return {"string": "", "boolean": False}.get(str(field.get("type")), field.get("minimum", 0))

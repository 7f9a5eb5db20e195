"""The service's page draws the explanation of a row, in a real browser."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
from pydantic import BaseModel, Field

from slipway.serving import pages

from .conftest import QUIET

STUB = """<script>window.fetch = async (url, request) => ({{
  ok: {ok},
  json: async () => JSON.parse(request.body).size === 1.5 && url.endsWith("/flights/explain") ? {content} : {{}},
}});</script>"""
SUBMIT = """<script>form.requestSubmit();
setTimeout(() => document.querySelectorAll(".track").forEach((track) =>
  track.dataset.pixels = track.clientWidth), 500);
</script></body>"""


class Row(BaseModel):
    """A row."""

    size: float = Field(examples=[1.5])
    kind: str


def contributions(**values: Any) -> dict[str, Any]:
    return {name: {"value": value, "standard_error": error} for name, (value, error) in values.items()}


@pytest.fixture
def rendered(browser, tmp_path):
    """Return a function that shows a response of /explain, and returns the lines of the page's output as text."""

    def show(content: Any, ok: bool = True, width: int = 1000) -> tuple[list[str], str]:
        document = pages.openapi(Row, "binary", "late", "v1", 5, explained=True)
        stub = STUB.format(ok=json.dumps(ok), content=json.dumps(content))
        text = pages.documentation(document, "/flights").replace("<body>", f"<body>{stub}")
        file = tmp_path / "page.html"
        file.write_text(text.replace("</body>", SUBMIT), encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            *QUIET,
            "--virtual-time-budget=2000",
            f"--window-size={width},900",
        ]
        done = subprocess.run(
            [*command, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri()],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        (output,) = re.findall(r"<output>(.*?)</output>", done.stdout, re.DOTALL)
        return [line for line in re.sub(r"<[^>]+>", "\n", output).split("\n") if line], output

    return show


def test_contributions_are_bars_from_the_largest_to_the_smallest(rendered):
    values = contributions(size=(0.05, 0.004), kind=(-0.1, 0.002))
    lines, output = rendered({"release": "v1", "prediction": 0.2, "base": 0.25, "contributions": values})
    assert ["kind", "-0.1 ± 0.002", "size", "0.05 ± 0.004"] == lines[1:]
    assert "Prediction 0.2 = base 0.25 + contributions, with standard errors" == lines[0]
    assert [("down", "0", "50"), ("up", "50", "25")] == re.findall(
        r'<div class="(up|down)" style="left: ([\d.]+)%; width: ([\d.]+)%;">', output
    )


def test_bars_have_the_whole_width_of_a_phone(rendered):
    values = contributions(size=(0.05, 0.004))
    _, output = rendered({"prediction": 0.3, "base": 0.25, "contributions": values}, width=500)
    (pixels,) = re.findall(r'data-pixels="(\d+)"', output)
    assert 440 <= int(pixels) <= 500


def test_of_several_classes_the_likeliest_is_explained(rendered):
    values = contributions(size=({"early": 0.1, "late": -0.1}, {"early": 0.01, "late": 0.02}))
    content = {"prediction": {"early": 0.4, "late": 0.6}, "base": {"early": 0.3, "late": 0.7}, "contributions": values}
    lines, _ = rendered(content)
    assert ["Probability of late 0.6 = base 0.7 + contributions, with standard errors", "size", "-0.1 ± 0.02"] == lines


def test_a_refusal_names_the_field_and_its_text_is_no_markup(rendered):
    lines, output = rendered({"error": "", "details": [{"row": 0, "field": "kind", "rule": "<b>bold</b>"}]}, ok=False)
    assert ["kind: &lt;b&gt;bold&lt;/b&gt;"] == lines
    assert "<b>" not in output

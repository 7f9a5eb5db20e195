"""What a release says of itself, from its manifest: what it is made of, what it replaces, and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.report.document import Code, Details, Heading, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.report.document import Document


def write(facts: Mapping[str, Any]) -> Document:
    """The report of the release with the manifest `facts`."""
    champion = facts["champion"]["version"] if facts["champion"] else "none"
    rows = {
        "Commit": facts["commit"],
        "Committed": facts["built"],
        "Release before": facts["previous"] or "none",
        "Compared with": champion,
        **{f"Hash of {name}": value for name, value in facts["inputs"].items()},
        **{f"Built with {name}": value for name, value in facts["build"].items()},
    }
    measured = [(Code(name), f"{value:g}") for name, value in leaves(facts["metrics"])]
    return [
        Heading(f"Release {facts['version']}", 1),
        Table(("", ""), [(name, Code(value)) for name, value in rows.items()]),
        paragraph(
            "What it installs is in ", Code(facts["sbom"]), ", the hash of each file in ", Code("manifest.json"), "."
        ),
        Details("Metrics", (Table(("Metric", "Value"), measured, frozenset({1})),)),
    ]


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested metrics, with the path to it."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{name}.")
        elif isinstance(value, int | float):
            yield f"{above}{name}", value

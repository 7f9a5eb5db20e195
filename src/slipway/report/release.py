"""Report of a release, written from its manifest: inputs, build environment, previous release and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.report.document import Code, Details, Heading, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.report.document import Document


def write(facts: Mapping[str, Any]) -> Document:
    """Return the report of the release with the manifest `facts`."""
    champion = facts["champion"]["version"] if facts["champion"] else "none"
    rows = {
        "Commit": facts["commit"],
        "Committed": facts["built"],
        "Previous release": facts["previous"] or "none",
        "Compared with": champion,
        **{f"Hash of {name}": value for name, value in facts["inputs"].items()},
        **{f"Built with {name}": value for name, value in facts["build"].items()},
    }
    measured = [(Code(name), f"{value:g}") for name, value in leaves(facts["metrics"])]
    return [
        Heading(f"Release {facts['version']}", 1),
        Table(("", ""), [(name, Code(value)) for name, value in rows.items()]),
        paragraph(
            Code(facts["sbom"]),
            " lists the packages that it installs; ",
            Code("manifest.json"),
            " has the hash of each file.",
        ),
        Details("Metrics", (Table(("Metric", "Value"), measured, frozenset({1})),)),
    ]


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number in nested metrics, with its dotted path."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{name}.")
        elif isinstance(value, int | float):
            yield f"{above}{name}", value

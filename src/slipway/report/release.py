"""Report of a release, written from its manifest: inputs, build environment, previous release and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.report.document import Code, Details, Heading, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.release.manifest import Manifest
    from slipway.report.document import Document


def write(manifest: Manifest) -> Document:
    """Return the report of the release with this manifest."""
    champion = manifest.champion.version if manifest.champion else "none"
    rows = {
        "Commit": manifest.commit,
        "Committed": manifest.built,
        "Previous release": manifest.previous or "none",
        "Compared with": champion,
        **{f"Hash of {name}": value for name, value in manifest.inputs.model_dump().items()},
        **{f"Built with {name}": value for name, value in manifest.build.model_dump().items()},
    }
    measured = [(Code(name), f"{value:g}") for name, value in leaves(manifest.metrics)]
    return [
        Heading(f"Release {manifest.version}", 1),
        Table(("", ""), [(name, Code(value)) for name, value in rows.items()]),
        paragraph(
            Code(manifest.sbom),
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

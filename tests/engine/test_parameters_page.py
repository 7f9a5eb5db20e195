"""The page of parameters has a row for each, with its type, limits, unit and value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from slipway.local import parameters_page
from slipway.settings import Settings
from slipway.settings.values import Section
from slipway.yaml12 import parse_mapping
from tests.params import PARAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

VALUES = parse_mapping(PARAMS.read_text(encoding="utf-8"))


def parameters(section: type[Section] = Settings, path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from parameters(field.annotation, f"{path}{name}.")
        elif field.description:  # the others belong to the problem
            yield f"{path}{name}", field


PARAMETERS = dict(parameters())


def test_every_parameter_has_one_row():
    rows = re.findall(r"^\| `([a-z_0-9.]+)` \|", parameters_page.render(VALUES), re.MULTILINE)
    assert sorted(PARAMETERS) == sorted(rows)


def test_every_number_has_a_unit():
    units = {name: field.json_schema_extra for name, field in PARAMETERS.items() if field.annotation in (int, float)}
    assert ["seed"] == [name for name, unit in units.items() if not unit]


@pytest.mark.parametrize(
    ("key", "value", "row"),
    [
        ("gates", {"floor": 0.7}, "| `gates.floor` | number | | metric | `0.7` | Absolute limit of the"),
        (
            "canary",
            {"steps": [5]},
            "| `canary.steps` | list of whole numbers | ≥ 1 and ≤ 50; 1 or more items | percent",
        ),
        ("retraining", {"triggers": []}, "list of strings | `demand`, `schedule`, `new data`, `drift`, `decay`, "),
        ("tune", {"ranges": {}}, "| `tune.ranges` | mapping | | | `{}` | Parameters to search"),
    ],
)
def test_a_row_has_type_limits_unit_and_value(key: str, value: dict[str, Any], row: str):
    assert row in parameters_page.render({**VALUES, key: VALUES[key] | value})

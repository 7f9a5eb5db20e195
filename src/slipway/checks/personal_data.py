"""Search for personal data in text columns, where `data.privacy.kinds` of params.yaml names kinds.

A finding has the column, the kind and the number of rows, never a value.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from slipway.errors import MissingToolError
from slipway.gates.data_evidence import BrokenRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    import pandas as pd

    from slipway.settings.data_checks import PrivacySection

KIND = "personal data"
"""Kind of the findings."""
PACKAGE = "presidio_analyzer"


class PersonalDataSearch:
    """A search with one function for each kind, which returns whether a text has it."""

    def __init__(self, functions: Mapping[str, Callable[[str], bool]], allowed_columns: list[str]) -> None:
        self._functions, self._allowed_columns = functions, allowed_columns

    @classmethod
    def of(cls, section: PrivacySection) -> Self:
        """Return the search of `section`, which does nothing without kinds. Raises UserError without Presidio."""
        if not section.kinds:
            return cls({}, [])
        if importlib.util.find_spec(PACKAGE) is None:
            raise MissingToolError(
                "params.yaml: data.privacy.kinds: Presidio is not installed; run `uv sync --inexact --group privacy`"
            )
        from slipway.checks import presidio_patterns

        return cls(presidio_patterns.functions(section.kinds, section.phone_regions), section.allowed_columns)

    def scan(self, batch: pd.DataFrame) -> list[BrokenRule]:
        """Return a finding for each text column and kind with rows that have it, without examples."""
        names = [name for name in batch if str(name) not in self._allowed_columns] if self._functions else []
        return [finding for name in names for finding in self._of_column(str(name), batch[name])]

    def _of_column(self, name: str, column: pd.Series) -> list[BrokenRule]:
        values = column.dropna()
        counts = values[values.map(lambda value: isinstance(value, str)).astype(bool)].astype(object).value_counts()
        rows_of = {
            kind: sum(int(rows) for text, rows in counts.items() if has_kind(str(text)))
            for kind, has_kind in self._functions.items()
        }
        return [
            BrokenRule(column=name, kind=KIND, rule=f"no {kind}", count=rows) for kind, rows in rows_of.items() if rows
        ]

"""Section `data` of `params.yaml`: limits of the checks of new data."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from slipway.settings.values import Count, Free, NotNegative, Ratio, Section, Whole


class ContractSection(Section):
    """Limits of the data contract, in addition to the rules of `Row`."""

    example_rows: Annotated[Whole, Field(description="Rows quoted for each broken rule")]
    unlabeled_ratio: Annotated[Ratio, Field(description="Maximum fraction of rows without a label")]
    duplicate_ratio: Annotated[Ratio, Field(description="Maximum fraction of rows that repeat another")]
    overlap_days: Annotated[NotNegative, Field(description="Days by which two files may overlap")]
    gap_days: Annotated[NotNegative, Field(description="Maximum days between the periods of two files")]


class SuitesSection(Section):
    """Thresholds of `problem.data_suite`. Keys that the engine does not read belong to the problem."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Free]

    sample_rows: Annotated[Count, Field(description="Rows drawn from each side")]
    reference_files: Annotated[Count, Field(description="Older files that the reference is drawn from at most")]
    may_not_run: Annotated[
        dict[str, str] | None, Field(description="Checks that may fail to run, each with the reason")
    ] = None


class DataSection(Section):
    """Checks of new data."""

    contract: ContractSection
    suites: SuitesSection

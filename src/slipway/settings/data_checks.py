"""The section `data` of `params.yaml`: what new data must satisfy."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from slipway.settings.values import Count, Free, NotNegative, Ratio, Section, Whole


class Contract(Section):
    """Limits of the contract that `Row` states."""

    example_rows: Annotated[Whole, Field(description="Rows quoted for each broken rule")]
    unlabelled_ratio: Annotated[Ratio, Field(description="Largest fraction of rows without a label")]
    duplicate_ratio: Annotated[Ratio, Field(description="Largest fraction of rows that repeat another")]
    overlap_days: Annotated[NotNegative, Field(description="Days by which two files may overlap")]
    gap_days: Annotated[NotNegative, Field(description="Days that may lie between two files")]


class Suites(Section):
    """Thresholds of `problem.data_suite`; those that the engine does not read are the problem's own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Free]

    sample_rows: Annotated[Count, Field(description="Rows drawn from each side")]
    reference_files: Annotated[Count, Field(description="Older files that the reference is drawn from")]
    may_not_run: Annotated[
        dict[str, str] | None, Field(description="Checks that may fail to run, each with the reason")
    ] = None


class Data(Section):
    """Checks of new data."""

    contract: Contract
    suites: Suites

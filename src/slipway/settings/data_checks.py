"""Section `data` of `params.yaml`: limits of the checks of new data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict

from slipway.settings.values import Count, Free, NotNegative, Ratio, Section, Whole, parameter


class ContractSection(Section):
    """Limits of the data contract, in addition to the rules of `Row`."""

    example_rows: Annotated[Whole, parameter("Rows quoted for each broken rule", "rows")]
    unlabeled_ratio: Annotated[Ratio, parameter("Maximum fraction of rows without a label", "fraction")]
    duplicate_ratio: Annotated[Ratio, parameter("Maximum fraction of rows that repeat another", "fraction")]
    overlap_days: Annotated[NotNegative, parameter("Days by which two files may overlap", "days")]
    gap_days: Annotated[NotNegative, parameter("Maximum days between the periods of two files", "days")]


class SuitesSection(Section):
    """Thresholds of `problem.data_suite`. Keys that the engine does not read belong to the problem."""

    model_config = ConfigDict(extra="allow", defer_build=True)
    __pydantic_extra__: dict[str, Free]

    sample_rows: Annotated[Count, parameter("Rows drawn from each side", "rows")]
    reference_files: Annotated[Count, parameter("Older files that the reference is drawn from at most", "files")]
    label_skill: Annotated[
        float, parameter("Minimum skill of a linear model of the older rows on the new ones", "ratio", le=1)
    ]
    may_not_run: Annotated[dict[str, str] | None, parameter("Checks that may fail to run, each with the reason")] = None


class RelationsSection(Section):
    """Checks that learn from windows of the older rows how columns belong together."""

    reference_rows: Annotated[Count, parameter("Older rows that windows are measured on at most", "rows")]
    batch_rows: Annotated[Count, parameter("New rows that are measured at most", "rows")]
    fit_rows: Annotated[Count, parameter("Rows that a model of a column is fitted on at most", "rows")]
    windows: Annotated[Count, parameter("Windows of the older rows at most", "windows")]
    partners: Annotated[Count, parameter("Columns that predict a column at most", "columns")]
    false_alarms: Annotated[Ratio, parameter("Maximum rate at which a clean batch is blocked", "probability")]
    error_rise: Annotated[float, parameter("Rise of a mean error that is accepted in any case", "ratio", ge=1)]
    bias: Annotated[NotNegative, parameter("Shift of errors that is accepted in any case", "mean errors")]
    correlation: Annotated[NotNegative, parameter("Change of a correlation or slope that is accepted", "Fisher's z")]
    shape: Annotated[Ratio, parameter("Change of a distribution that is accepted in any case", "distance")]
    fraction: Annotated[NotNegative, parameter("Change of a fraction that is accepted in any case", "arcsine of root")]


PersonalData = Literal["CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "PHONE_NUMBER"]
"""A kind of personal data, by its name in Presidio."""


class PrivacySection(Section):
    """Search for personal data in text columns, of new data and of the prediction log. Needs the group `privacy`."""

    kinds: list[PersonalData] = parameter("Kinds that no text column may hold; [] for no search", default_factory=list)
    allowed_columns: list[str] = parameter("Columns that may hold them", default_factory=list)
    phone_regions: list[str] = parameter(
        "Countries whose phone numbers are found without a prefix, such as US", default_factory=list
    )


class DataSection(Section):
    """Checks of new data."""

    contract: ContractSection
    relations: RelationsSection
    suites: SuitesSection
    privacy: PrivacySection = PrivacySection()

"""Patterns of Presidio, used one by one: no language model is loaded, and nothing is asked from the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tldextract
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    PhoneRecognizer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from presidio_analyzer import EntityRecognizer

SCORE_MIN = 0.3  # of Presidio; a phone number has 0.4, an address of two colons 0.1
DOMAINS = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
"""Parser of domains by the list in its package; the default one downloads a newer list."""


class OfflineEmailRecognizer(EmailRecognizer):
    """Presidio's recognizer, which asks the network for the list of domains, with the list of the package."""

    def validate_result(self, pattern_text: str) -> bool:
        """Return whether the address has a domain that exists."""
        return DOMAINS(pattern_text).fqdn != ""


def functions(kinds: Iterable[str], phone_regions: list[str]) -> dict[str, Callable[[str], bool]]:
    """Return by kind the function that tests a text. Phone numbers with a prefix, such as +49, need no region."""
    recognizers: dict[str, Callable[[], EntityRecognizer]] = {
        "CREDIT_CARD": CreditCardRecognizer,
        "EMAIL_ADDRESS": OfflineEmailRecognizer,
        "IBAN_CODE": IbanRecognizer,
        "IP_ADDRESS": IpRecognizer,
        "PHONE_NUMBER": lambda: PhoneRecognizer(supported_regions=phone_regions or [None]),
    }
    return {kind: _function(kind, recognizers[kind]()) for kind in kinds}


def _function(kind: str, recognizer: Any) -> Callable[[str], bool]:
    def has_kind(text: str) -> bool:
        return any(result.score >= SCORE_MIN for result in recognizer.analyze(text, [kind], None) or ())

    return has_kind

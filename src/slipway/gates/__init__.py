"""Gates: pure functions from evidence to a verdict.

A gate passes, fails or is inconclusive. Only `pass` promotes. Evidence that is missing, crashed or NaN fails.
"""

from slipway.gates.verdict import Outcome, Verdict, overall

__all__ = ["Outcome", "Verdict", "overall"]

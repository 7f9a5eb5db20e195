"""Gates: evidence in, verdict out. Pure functions, no input or output.

A gate has three outcomes. `inconclusive` never promotes. Evidence that is missing, crashed or NaN fails.
"""

from slipway.gates.verdict import Outcome, Verdict, overall

__all__ = ["Outcome", "Verdict", "overall"]

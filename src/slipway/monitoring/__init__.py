"""What production sees, and whether the model still does what its release promised.

`collect` turns the prediction log into Parquet by day, `labels` joins what became known later, `assess` answers one
question after the other on a window, and `job` is the verb `slipway monitor`. `assess` does no input or output, so that
`slipway replay` and the proofs in `faults` and `power` ask it just what production does.
"""

from slipway.monitoring.assess import Assessment, assess
from slipway.monitoring.memory import Memory
from slipway.monitoring.reference import Promise, Reference
from slipway.monitoring.window import LiveWindow, Service

__all__ = ["Assessment", "LiveWindow", "Memory", "Promise", "Reference", "Service", "assess"]

"""Monitoring of production: checks that compare live rows with the data, model and metrics of their release.

`collect` stores the prediction log as Parquet by day, `assess` runs every check on one window, and `job` implements
`slipway monitor`. `assess` does no input or output, so `slipway replay`, `faults` and `power` run the same checks as
production.
"""

from slipway.monitoring.alarm_state import MonitorState
from slipway.monitoring.assess import Assessment, assess
from slipway.monitoring.reference import Reference, ReleaseBaseline
from slipway.monitoring.window import LiveWindow, ServiceCounts

__all__ = ["Assessment", "LiveWindow", "MonitorState", "Reference", "ReleaseBaseline", "ServiceCounts", "assess"]

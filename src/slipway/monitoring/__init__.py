"""Monitoring of production: checks that compare live rows with the data, model and metrics of their release.

`collect` stores the prediction log as Parquet by day, `assess` runs every check on one window, and `job` implements
`slipway monitor`. `assess` does no input or output, so `slipway replay`, `faults` and `power` run the same checks as
production.
"""

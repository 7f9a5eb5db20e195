"""One module per check: it returns the evidence that `slipway.monitoring.gates` judges."""

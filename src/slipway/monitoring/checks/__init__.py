"""One module per check: it returns the evidence that `slipway.gates.monitoring` judges."""

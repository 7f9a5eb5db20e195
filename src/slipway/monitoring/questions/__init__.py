"""One module for each question: the window and the reference in, evidence out. `slipway.monitoring.gates` judges it."""

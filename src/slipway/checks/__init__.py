"""Checks of the data and of the model code: they measure, and `slipway.gates` judges."""

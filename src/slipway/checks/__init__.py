"""Checks of the data and of the model code. They measure; `slipway.gates` judges."""

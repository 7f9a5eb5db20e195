"""Hyperparameter search of `slipway tune`, within the ranges of params.yaml and on the training rows only."""

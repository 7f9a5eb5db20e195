"""Scaffolding of a fork: the commands `slipway new` and `slipway upgrade`."""

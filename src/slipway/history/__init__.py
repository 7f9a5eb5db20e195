"""The command `slipway history`: every run and release, the differences of two, and the rebuild of a release."""

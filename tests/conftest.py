"""What holds for every test."""

from __future__ import annotations

import os

import hypothesis

# Set before OpenMP is loaded: threads that wait must not spin while other tests want the processor.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# How long one case takes says how busy the machine is; the benchmarks are commands.
hypothesis.settings.register_profile("slipway", deadline=None)
hypothesis.settings.load_profile("slipway")

"""What holds for every test."""

from __future__ import annotations

import hypothesis

# How long one case takes says how busy the machine is; the benchmarks are commands.
hypothesis.settings.register_profile("slipway", deadline=None)
hypothesis.settings.load_profile("slipway")

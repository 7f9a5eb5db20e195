"""Stages of dvc.yaml, one module each, and the command `slipway train` that runs them."""

import os

# Spinning threads slow training down by a factor of ten on a busy machine. scikit-learn reads the variable on import,
# so it is set before any stage imports it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

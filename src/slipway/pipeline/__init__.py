"""The stages of dvc.yaml, one module each, and the verb that runs them."""

import os

# Threads that spin while they wait make training ten times slower where other work shares the cores. It is read when
# scikit-learn is loaded, so it is set before any stage loads it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

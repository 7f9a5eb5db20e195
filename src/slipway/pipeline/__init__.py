"""The stages of dvc.yaml, one module each, and the verb that runs them."""

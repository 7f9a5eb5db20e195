"""An environment: its spec on the branch `deploy`, its observed state, its manifests and its gateway."""

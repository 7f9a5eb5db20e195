"""The agent that reconciles an environment with the branch `deploy`, and reports its state."""

"""From a trained model to a running environment and back: releases, desired state, the agent, the front door."""

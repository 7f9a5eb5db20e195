"""Delivery of trained models: releases, the desired state of each environment, the agent and the gateway."""

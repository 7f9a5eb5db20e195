"""Load tests and synthetic traffic: plans of requests, their payloads, and the measured responses."""

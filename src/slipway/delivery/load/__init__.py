"""Requests in numbers, and what came of them."""

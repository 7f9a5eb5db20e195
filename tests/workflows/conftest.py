"""Order of the workflow tests."""

from __future__ import annotations


def pytest_collection_modifyitems(items):
    """Start with the demo, which takes longest, so that the other tests run in parallel with it."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")

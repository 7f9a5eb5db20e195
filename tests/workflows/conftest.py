from __future__ import annotations


def pytest_collection_modifyitems(items):
    """The demo takes longest by far: begin with it, so that the others fill the time beside it."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")

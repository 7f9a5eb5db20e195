"""The rendered manifests, which a promotion fills in, are up to date with their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.environment import manifests
from slipway.environment.place import ENVIRONMENTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_rendered_overlays_are_current(environment):
    assert manifests.is_current(ROOT, environment), "deploy/ was edited: run `slipway manifests`, and commit"

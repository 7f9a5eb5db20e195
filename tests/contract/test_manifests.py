"""The rendered manifests, which a promotion fills in, are up to date with their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.delivery import manifests
from slipway.delivery.home import ENVIRONMENTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_rendered_overlays_are_current(environment):
    assert manifests.is_current(ROOT, environment), "deploy/ was edited: run `slipway manifests`, and commit"

"""Numbers live in `params.yaml`; this reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from slipway.errors import UserError


def read_params(path: Path = Path("params.yaml")) -> dict[str, Any]:
    """Read every parameter. Raises UserError when the file is missing or is not YAML."""
    try:
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run this in the root of the repository") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({str(error).splitlines()[0]}); mend it or `git checkout {path}`") from None
    if not isinstance(params, dict):
        raise UserError(f"{path}: holds no sections; `git checkout {path}`")
    return params

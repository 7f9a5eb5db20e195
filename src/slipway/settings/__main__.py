"""`python -m slipway.settings`: validate the params.yaml of this folder, and exit with one line on an error."""

from __future__ import annotations

import sys

from slipway.errors import UserError
from slipway.settings import read_settings

if __name__ == "__main__":
    try:
        read_settings()
    except UserError as error:
        sys.exit(str(error))

"""`python -m slipway.cli`, for environments without `slipway` on the PATH."""

from slipway.cli import main

main()

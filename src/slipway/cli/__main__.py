"""`python -m slipway.cli`, where the command `slipway` is not on the path."""

from slipway.cli import main

main()

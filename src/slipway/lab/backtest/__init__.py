"""The backtest behind `slipway replay`: later rows, day by day, with and without continuous training.

`stream` holds the timeline of rows, `release` trains and judges like the pipeline, `life` simulates production under
one policy, `outcome` compares the policies, and `run` implements the command.
"""

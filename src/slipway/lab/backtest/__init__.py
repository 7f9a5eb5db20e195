"""The backtest behind `slipway replay`: later rows, day by day, with and without continuous training.

`stream` holds the timeline of rows, `release` trains and judges like the pipeline, `life` simulates production under
one policy, `outcome` compares the policies, `replay_result` models the comparison, and `run` implements the command.
"""

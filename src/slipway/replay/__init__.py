"""Does continuous training pay here? The months that are yet to come, lived through day by day, with and without it.

`stream` has the rows, `release` trains and judges as the pipeline does, `life` serves, watches and renews, `outcome`
compares, and `run` is the verb `slipway replay`.
"""

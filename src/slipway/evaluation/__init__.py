"""How good predictions are: metrics, baselines, skill, segments and intervals by resampling."""

"""Quality of predictions: metrics, baselines, skill, segments and intervals by resampling."""

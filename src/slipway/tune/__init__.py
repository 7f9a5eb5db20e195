"""`slipway tune`: a search for better parameters within the ranges of params.yaml, on the training rows alone."""

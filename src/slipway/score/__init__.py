"""`slipway score`: predictions for every row of a file, the same that the service would give, in bounded memory."""

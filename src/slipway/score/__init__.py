"""`slipway score`: batch prediction with the results of the service, in bounded memory."""

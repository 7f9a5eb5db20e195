"""How fast the service is, beside a stock one, a bare server with the same model, and a server that does nothing."""

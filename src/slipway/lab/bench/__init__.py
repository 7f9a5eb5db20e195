"""Benchmark of the service against vanilla BentoML, a bare server with the same model, and a no-op server."""

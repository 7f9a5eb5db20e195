"""Experiments on the engine: power, mutants, seeded faults, drills, benchmarks and backtests."""

"""The load shape: all connections from the start, a warm-up, the measurement, then a stop after the last response."""

from __future__ import annotations

from locust import LoadTestShape


class WarmUpThenMeasure(LoadTestShape):
    """Keeps all users connected from the start; the plan's due times set the rate, not the number of users."""

    def tick(self) -> tuple[int, int] | None:
        """Print the progress once per second; stop the run after the last response, or at the deadline."""
        run = self.runner.environment.run
        print(run.progress(), flush=True)
        return None if run.over() else (run.users, run.users)

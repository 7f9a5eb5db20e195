"""The traffic's shape: every connection at once, warm-up, measuring, then stop as soon as the last answer is in."""

from __future__ import annotations

from locust import LoadTestShape


class WarmUpThenMeasure(LoadTestShape):
    """Holds all connections open from the start. The rate comes from the plan's due times, not from the user count."""

    def tick(self) -> tuple[int, int] | None:
        """Say once a second how far the run is; stop it when every request is answered, or at the deadline."""
        run = self.runner.environment.run
        print(run.progress(), flush=True)
        return None if run.over() else (run.users, run.users)

"""Ray Serve: a deployment with FastAPI as its ingress. `python -m … --host HOST --port PORT --workers N`."""

import os
import secrets
import signal
import sys
import tempfile
from argparse import ArgumentParser
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import, as the token, which Ray would write to ~/.ray
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)

import ray
from fastapi import FastAPI
from ray import serve

from problem import Row
from slipway.lab.bench import plain_model
from slipway.serving import model_folder

app = FastAPI()


@serve.deployment
@serve.ingress(app)
class Prediction:
    """Deployment that predicts for a row."""

    def __init__(self) -> None:
        self.predict_columns = plain_model.load(model_folder.locate())

    @app.post("/predict")  # type: ignore[untyped-decorator]
    async def predict(self, row: Row) -> dict[str, list[Any]]:
        """Score a row."""
        return {"predictions": self.predict_columns(plain_model.as_columns(row)).tolist()}

    @app.get("/readyz")  # type: ignore[untyped-decorator]
    async def readyz(self) -> dict[str, str]:
        """Return that the model is loaded."""
        return {}


def main(host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM, with every process and file of Ray on this machine alone."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        ray.init(include_dashboard=False, _temp_dir=folder, num_cpus=workers + 1, log_to_driver=False)
        try:
            serve.start(http_options={"host": host, "port": port})
            deployment: Any = Prediction  # Ray, which is not installed with this project, has its type
            serve.run(deployment.options(num_replicas=workers).bind(), route_prefix="/")
            signal.pause()
        finally:
            ray.shutdown()


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    main(**vars(parser.parse_args()))

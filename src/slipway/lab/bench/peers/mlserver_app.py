"""MLServer: a runtime with a custom handler. `python -m … --host HOST --port PORT --workers N`."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from mlserver import MLModel, MLServer
from mlserver.handlers import custom_handler
from mlserver.settings import ModelSettings, Settings
from mlserver.utils import install_uvloop_event_loop

from problem import Row
from slipway.lab.bench import plain_model
from slipway.serving import model_folder
from slipway.serving.run import free_port


class PredictionRuntime(MLModel):  # type: ignore[misc]  # MLServer is not installed with this project
    """Runtime that predicts for a row."""

    async def load(self) -> bool:
        """Load the model, in the process that predicts."""
        self.predict_columns = plain_model.load(model_folder.locate())
        return True

    @custom_handler(rest_path="/predict")  # type: ignore[untyped-decorator]
    async def predict_row(self, row: Row) -> dict[str, list[Any]]:
        """Score a row."""
        return {"predictions": self.predict_columns(plain_model.as_columns(row)).tolist()}

    @custom_handler(rest_path="/readyz", rest_method="GET")  # type: ignore[untyped-decorator]
    async def readyz(self) -> dict[str, str]:
        """Return that the model is loaded."""
        return {}


async def main(host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM."""
    settings = Settings(
        host=host,
        http_port=port,
        grpc_port=free_port(),
        metrics_endpoint=None,
        parallel_workers=workers,
        logging_settings={"version": 1, "disable_existing_loggers": True},
    )
    model = ModelSettings(name="model", implementation=PredictionRuntime)
    await MLServer(settings).start([model])


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    install_uvloop_event_loop()  # as `mlserver start` does
    asyncio.run(main(**vars(parser.parse_args())))

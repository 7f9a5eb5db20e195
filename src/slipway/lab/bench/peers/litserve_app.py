"""LitServe: an API with a pydantic model as its request. `python -m … --host HOST --port PORT --workers N`."""

from argparse import ArgumentParser
from typing import Any

import litserve

from problem import Row
from slipway.lab.bench import plain_model
from slipway.serving import model_folder


class PredictionApi(litserve.LitAPI):  # type: ignore[misc]  # LitServe is not installed with this project
    """API that predicts for a row."""

    def setup(self, device: str) -> None:  # noqa: ARG002  the signature of LitServe
        """Load the model, in the process that predicts."""
        self.predict_columns = plain_model.load(model_folder.locate())

    def decode_request(self, request: Row) -> Row:
        """Return the row, which LitServe has validated."""
        return request

    def predict(self, row: Row) -> list[Any]:
        """Score a row."""
        predictions: list[Any] = self.predict_columns(plain_model.as_columns(row)).tolist()
        return predictions

    def encode_response(self, predictions: list[Any]) -> dict[str, list[Any]]:
        """Return the response."""
        return {"predictions": predictions}


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    server = litserve.LitServer(
        PredictionApi(api_path="/predict"),
        accelerator="cpu",
        workers_per_device=options.workers,
        healthcheck_path="/readyz",
    )
    server.run(host=options.host, port=options.port, generate_client_file=False, log_level="warning")

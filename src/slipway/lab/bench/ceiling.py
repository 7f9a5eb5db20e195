"""The ceiling: bare Starlette with the same model in ONNX Runtime, without validation, metrics or logs."""

from __future__ import annotations

from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slipway import predictor
from slipway.lab.bench import plain_model
from slipway.serving import model_folder

model_dir = model_folder.locate()
predict_columns = plain_model.load(model_dir)
names = [column["name"] for column in predictor.signature(model_dir)["columns"]]


async def predict(request: Request) -> Response:
    """Score one row, or an array of rows."""
    content = from_json(await request.body())
    rows = content if isinstance(content, list) else [content]
    scores = predict_columns({name: [row[name] for row in rows] for name in names})
    return Response(to_json({"predictions": scores.tolist()}), media_type="application/json")


async def ready(_: Request) -> Response:
    """Report that the model is loaded."""
    return Response(b"ready\n")


app = Starlette(routes=[Route("/predict", predict, methods=["POST"]), Route("/readyz", ready)])

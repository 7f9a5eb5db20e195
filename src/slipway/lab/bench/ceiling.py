"""The ceiling: bare Starlette with the same model, without validation, metrics or logs."""

from __future__ import annotations

from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slipway import predictor
from slipway.serving import model_folder

model = predictor.load(model_folder.locate())
names = [column["name"] for column in model.signature["columns"]]


async def predict(request: Request) -> Response:
    """Score one row, or an array of rows."""
    content = from_json(await request.body())
    rows = content if isinstance(content, list) else [content]
    scores = model.predict({name: [row[name] for row in rows] for name in names})
    return Response(to_json({"predictions": scores.tolist()}), media_type="application/json")


async def ready(_: Request) -> Response:
    """Report that the model is loaded."""
    return Response(b"ready\n")


app = Starlette(routes=[Route("/predict", predict, methods=["POST"]), Route("/readyz", ready)])

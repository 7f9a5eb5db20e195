"""FastAPI: an endpoint with a pydantic model as its body. uvicorn and granian serve it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from problem import Row
from slipway.lab.bench import plain_model
from slipway.serving import model_folder

app = FastAPI()
predict_columns = plain_model.load(model_folder.locate())


@app.post("/predict")  # type: ignore[untyped-decorator]  # pyproject.toml skips the types of FastAPI
async def predict(row: Row) -> dict[str, list[Any]]:
    """Score a row."""
    return {"predictions": predict_columns(plain_model.as_columns(row)).tolist()}


@app.get("/readyz")  # type: ignore[untyped-decorator]
async def ready() -> str:
    """Report that the model is loaded."""
    return "ready"

"""AWS Lambda: the routes of the service behind function URLs and HTTP APIs, with events of payload format 2.0.

`python -m awslambdaric slipway.serving.aws_lambda.handler` imports this module, which verifies and loads the model, and
then passes one event at a time to `handler`. A model that fails verification ends the initialization with its error.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from slipway.errors import SettingError
from slipway.serving.assembly import make_app
from slipway.serving.refusal import RefusedError

if TYPE_CHECKING:
    from slipway.serving.app import App

FORMAT = "2.0"
DEFAULT_STAGE = "$default"  # of an HTTP API, and of every function URL


class Handler:
    """Handler of events, which answers each as the service answers the request that caused it."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Return the response to `event` in payload format 2.0.

        Raises SettingError for an event of another format, which Lambda reports as an error of the function.
        """
        if not isinstance(event, dict) or event.get("version") != FORMAT:
            raise SettingError(
                f"the event has no version {FORMAT}: invoke the function through a function URL, "
                f"or through an HTTP API with payload format {FORMAT}"
            )
        response = self._runner.run(self._respond(event, context.aws_request_id))
        for handler in logging.getLogger().handlers:
            handler.flush()  # Lambda suspends the process after the response, and may never resume it
        return response

    async def _respond(self, event: dict[str, Any], request_id: str) -> dict[str, Any]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": _body(event)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = _scope(event, request_id)
        await self._app(scope, receive, send)
        start, content = sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        del headers["content-length"]  # AWS computes it
        body = "" if scope["method"] == "HEAD" else content["body"].decode()
        return {"statusCode": start["status"], "headers": headers, "body": body, "isBase64Encoded": False}


def _scope(event: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Return the ASGI scope of an event. Its path is without the stage, which is the prefix of the client's path."""
    headers = {"x-request-id": request_id} | {name.lower(): value for name, value in event["headers"].items()}
    path, stage = event["rawPath"], event["requestContext"]["stage"]
    if stage != DEFAULT_STAGE and f"{path}/".startswith(f"/{stage}/"):
        path = path.removeprefix(f"/{stage}") or "/"
        headers["x-forwarded-prefix"] = f"/{stage}"
    return {
        "type": "http",
        "method": event["requestContext"]["http"]["method"],
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


def _body(event: dict[str, Any]) -> bytes:
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return text.encode("utf-8", "surrogatepass")  # which the contract refuses as it refuses other invalid UTF-8
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise RefusedError(400, "json", "the body of the event is not base64") from None


handler = Handler(make_app())

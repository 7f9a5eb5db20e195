"""Messages to a chat: one HTTP request to the webhook in $SLIPWAY_WEBHOOK, in the format of Slack or Microsoft Teams.

The address of a webhook is a secret, so no message and no error has it. A message that cannot be sent is a warning: it
never stops a deployment.
"""

from __future__ import annotations

import html
import http.client
import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from slipway import figures, output

if TYPE_CHECKING:
    from collections.abc import Callable

WEBHOOK, FORMAT = "SLIPWAY_WEBHOOK", "SLIPWAY_WEBHOOK_FORMAT"
TIMEOUT_SECONDS = 5
TITLE_CHARACTERS_MAX = 300
TEXT_CHARACTERS_MAX = 2_000  # Slack cuts a message at 40,000, Teams rejects one of more than 28 kB
TEAMS_HOSTS = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com", ".powerautomate.com")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, which would send the message to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return no request, so that the redirect is an error."""


def notify(title: str, text: str = "", link: str | None = None) -> bool:
    """Send a message, if $SLIPWAY_WEBHOOK is set. Returns whether the webhook accepted it; never raises.

    text: plain text below the title. link: address of the details.
    """
    address = os.environ.get(WEBHOOK, "").strip()
    if not address:
        return False
    try:
        _post(address, figures.shorten(title, TITLE_CHARACTERS_MAX), figures.shorten(text, TEXT_CHARACTERS_MAX), link)
    except urllib.error.HTTPError as error:
        output.warn(f"{WEBHOOK}: HTTP {error.code}; check that the webhook still exists")
    except (OSError, ValueError, http.client.HTTPException) as error:
        output.warn(f"{WEBHOOK}: {_reason(error)}; the message was not sent")
    else:
        return True
    return False


def _reason(error: Exception) -> str:
    """Return why a message was not sent, without the address, which some errors of the standard library quote."""
    return str(error) if isinstance(error, WebhookError) else type(getattr(error, "reason", error)).__name__


class WebhookError(ValueError):
    """An invalid setting of the webhook. Its message does not have the address."""


def _post(address: str, title: str, text: str, link: str | None) -> None:
    url = urlsplit(address)
    if not url.hostname or url.scheme not in {"http", "https"}:
        raise WebhookError("not an address; set it to https://…")
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        raise WebhookError("not encrypted; set it to https://…")
    content = _format(url.hostname)(title, text, link)
    request = urllib.request.Request(  # noqa: S310  the scheme is checked above
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS):
        pass


def _format(host: str) -> Callable[[str, str, str | None], dict[str, Any]]:
    """Return the function that formats a message. Other hosts than those of Teams get the format of Slack."""
    chosen = os.environ.get(FORMAT) or ("teams" if host.endswith(TEAMS_HOSTS) else "slack")
    if chosen not in FORMATS:
        raise WebhookError(f"{FORMAT} is {chosen}; allowed: {', '.join(FORMATS)}")
    return FORMATS[chosen]


def slack(title: str, text: str, link: str | None) -> dict[str, Any]:
    """Return a message for an incoming webhook of Slack, in mrkdwn, without links or mentions of the text's own."""
    escaped = [html.escape(part, quote=False) for part in (title, text)]
    lines = [f"*{escaped[0]}*", escaped[1], f"<{link}|Details>" if link else ""]
    return {"text": "\n".join(line for line in lines if line)}


def teams(title: str, text: str, link: str | None) -> dict[str, Any]:
    """Return a message for a workflow of Teams: an Adaptive Card 1.4."""
    blocks = [{"type": "TextBlock", "text": title, "weight": "Bolder", "wrap": True}]
    blocks += [{"type": "TextBlock", "text": text, "wrap": True}] if text else []
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Details", "url": link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


FORMATS = {"slack": slack, "teams": teams}

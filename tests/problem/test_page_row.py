"""The service's page starts from a row that the service accepts: a field with a pattern states an example."""

from __future__ import annotations

import json
import re
from html import unescape

import problem
from slipway.serving import pages


def test_the_row_on_the_page_of_the_service_is_valid():
    document = pages.openapi(problem.Row, problem.TASK, problem.TARGET, "v1", 5, explained=True)
    text = re.search(r"<textarea[^>]*>(.*?)</textarea>", pages.documentation(document), re.DOTALL)[1]
    assert problem.Row.model_validate_json(json.dumps(json.loads(unescape(text))))

"""Statuses with which the service refuses, and what each tells its client."""

REFUSALS = {
    400: "Not JSON",
    408: "The body did not arrive in time",
    413: "The body has too many bytes",
    415: "The body is not application/json in UTF-8",
    422: "The body breaks the contract: `details` names row, field and rule",
    500: "The service failed; its log says why",
    503: "Too many requests at once; try again after Retry-After seconds",
    504: "Not done in time",
}

"""The OpenAPI description: what FastAPI knows about the routes, plus keys, rate limits and problems."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.problem_details import Problem, ProblemItem
from api.http.problems import MEDIA_TYPE

_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_RATE_HEADERS = {
    "RateLimit-Policy": "The class of the request, its rate and its window in seconds",
    "RateLimit-Limit": "Requests allowed in the window",
    "RateLimit-Remaining": "Requests left",
    "RateLimit-Reset": "Seconds until another request is allowed",
}
_DETAILS = {
    400: "The body is not JSON as the API accepts it",
    401: "The key is missing, wrong or revoked",
    403: "Not allowed with this key, or beyond a quota",
    404: "It does not exist, or belongs to somebody else",
    408: "The body did not arrive in time",
    409: "Not possible in this state",
    413: "The body is too large",
    415: "The Content-Type is not JSON",
    422: "The request is well-formed but not valid",
    429: "Too many requests, or beyond a daily quota",
    500: "An internal error",
    503: "Temporarily unavailable",
}
_WITH_BODY = (400, 408, 413, 415)
_WITH_KEY = (401, 429)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """A route's own problems, for its ``responses``; the ones that any route may answer are added to all."""
    return {status: _response(status) for status in statuses}


def describe(app: FastAPI) -> None:
    """Make ``app.openapi()`` return the complete description."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
            )
            app.openapi_schema = _completed(schema)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    reference = "#/components/schemas/{model}"
    schemas["ProblemItem"] = ProblemItem.model_json_schema(ref_template=reference)
    problem = Problem.model_json_schema(ref_template=reference)
    problem.pop("$defs", None)
    schemas["Problem"] = problem
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "hub_<id>_<secret>, from `hub keys create`"}
    }
    for item in schema["paths"].values():
        for operation in item.values():
            _complete(operation)
    return schema


def _complete(operation: dict[str, Any]) -> None:
    needs_key = "x-rate-class" in operation
    statuses = [500, 503]
    responses = operation["responses"]
    # FastAPI adds its own 422 to routes that take parameters or a body.
    if responses.pop("422", None):
        statuses.append(422)
    if needs_key:
        operation["security"] = [{"key": []}]
        statuses += _WITH_KEY
        for response in responses.values():
            response["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in _RATE_HEADERS.items()
            }
    if "requestBody" in operation:
        statuses += _WITH_BODY
    for status in sorted(statuses):
        responses.setdefault(str(status), _response(status))


def _response(status: int) -> dict[str, Any]:
    return {"description": _DETAILS[status], "content": {MEDIA_TYPE: {"schema": _PROBLEM_REF}}}

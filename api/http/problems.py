"""Errors as RFC 9457 problem details: what is wrong, where, and how to fix it. Refused values are never quoted."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeGuard

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from api.bodies.patterns import IN_WORDS
from api.http.problem_details import Problem, ProblemItem
from common.errors import (
    ConditionError,
    ConditionRetired,
    HubError,
    InstrumentError,
    QuotaExceeded,
    StoreError,
    TimeframeError,
)
from common.spelling import did_you_mean
from common.timeframes import show_time

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:condition-hub:problem:"
_MOST_ITEMS = 20
_FIRST_TIME_MS, _LAST_TIME_MS = 10**12, 253_402_300_800_000
"""The years 2001 to 9999: only bounds of times in milliseconds are between them."""


class ProblemError(HTTPException):
    """A request that is refused. ``kind`` is the last part of the problem's type."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[ProblemItem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.kind = kind
        self.errors = list(errors)


def not_found(what: str) -> ProblemError:
    """For what does not exist or belongs to somebody else; the answer does not tell which."""
    return ProblemError(404, "not-found", f"there is no such {what}")


def invalid_condition(error: HubError, pointer: str = "") -> ProblemError:
    """A condition that is not valid; ``pointer`` is its place in the body."""
    own = (error.pointer or "") if isinstance(error, ConditionError) else ""
    item = ProblemItem(pointer=pointer + own, detail=str(error))
    return ProblemError(422, "invalid-condition", str(error), errors=[item])


def condition_in_error(why: str) -> ProblemError:
    """For a registered condition that the hub cannot judge."""
    detail = f"the condition is not judged: {why.split(chr(10), 1)[0]}; its status says since when"
    return ProblemError(409, "condition-in-error", detail)


def problem(request_id: str, error: ProblemError) -> Response:
    """A problem as a response."""
    body = Problem(
        type=_PREFIX + error.kind,
        title=HTTPStatus(error.status_code).phrase,
        status=error.status_code,
        detail=error.detail,
        request_id=request_id,
        errors=error.errors,
    )
    return Response(
        body.model_dump_json(exclude_none=True), error.status_code, dict(error.headers or {}), media_type=MEDIA_TYPE
    )


def add_handlers(app: FastAPI) -> None:
    """Make the application answer every error with a problem."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HubError, _on_hub)


def _respond(request: Request, error: ProblemError) -> Response:
    return problem(request.scope["hub.request_id"], error)


async def _on_http(request: Request, error: Exception) -> Response:
    if isinstance(error, ProblemError):
        return _respond(request, error)
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            raised = not_found("path; GET /docs lists them")
        case 405:
            allowed = _allowed(request)
            detail = f"{request.method} is not allowed here; use {allowed}"
            raised = ProblemError(405, "method-not-allowed", detail, headers={"Allow": allowed})
        case _:
            raised = ProblemError(error.status_code, "refused", str(error.detail), headers=error.headers)
    return _respond(request, raised)


def _allowed(request: Request) -> str:
    """The methods of a path. Each has its own route, and the router names only those of the first."""
    methods: set[str] = set()
    for route in request.app.router.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    body = getattr(request.scope.get("route"), "body_field", None)
    model = body.field_info.annotation if body is not None else None
    items = [_item(detail, model) for detail in error.errors()[:_MOST_ITEMS]]
    first = items[0]
    where = first.parameter or (first.pointer or "").lstrip("/").replace("/", ".") or "the body"
    return _respond(request, ProblemError(422, "invalid-request", f"{where} {first.detail}", errors=items))


async def _on_hub(request: Request, error: Exception) -> Response:
    match error:
        case ConditionError() | InstrumentError() | TimeframeError():
            return _respond(request, invalid_condition(error))
        case ConditionRetired():
            return _respond(request, ProblemError(409, "condition-retired", str(error)))
        case QuotaExceeded(wait_s=None):
            return _respond(request, ProblemError(403, "quota-exceeded", str(error)))
        case QuotaExceeded():
            wait = {"Retry-After": str(error.wait_s)}
            return _respond(request, ProblemError(429, "quota-exceeded", str(error), headers=wait))
        case StoreError():
            # Its message names folders and processes, which only operators may see: they find it in the log.
            raised = ProblemError(503, "unavailable", "the store cannot do this at the moment; try again shortly")
            request.scope["hub.failure"] = error
            return _respond(request, raised)
    return _respond(request, ProblemError(422, "refused", str(error)))


def _item(detail: Mapping[str, Any], model: object) -> ProblemItem:
    """One of pydantic's errors about a model, without the refused value."""
    place, *path = detail["loc"]
    if place == "body":
        return ProblemItem(pointer="".join(f"/{_escaped(part)}" for part in path), detail=_message(detail, model, path))
    return ProblemItem(parameter=str(path[0]) if path else str(place), detail=_message(detail, None, path))


def _message(  # noqa: PLR0911 - one return for each kind of error
    detail: Mapping[str, Any], model: object, path: Sequence[str | int]
) -> str:
    match detail["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            known = _fields(model, path[:-1])
            listed = f"; the fields are {' '.join(known)}" if known else ""
            return f"is not a field here{did_you_mean(str(path[-1])[:64], known)}{listed}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"should be an object, got {_kind(detail.get('input'))}"
        case "string_pattern_mismatch":
            return f"should be {IN_WORDS[detail['ctx']['pattern']]}"
        case "greater_than_equal":
            return f"should be at least {_shown_bound(detail['ctx']['ge'])}"
        case "less_than_equal":
            return f"should be at most {_shown_bound(detail['ctx']['le'])}"
    text = str(detail["msg"]).removeprefix("Input ")
    return f"{text[0].lower()}{text[1:]}, got {_kind(detail.get('input'))}"


def _shown_bound(bound: float) -> str:
    """A bound as a person writes it; bounds of times also as a time."""
    is_time = _FIRST_TIME_MS <= bound < _LAST_TIME_MS
    return f"{bound:,} ({show_time(int(bound))} UTC)" if is_time else f"{bound:,}"


def _fields(model: object, path: Sequence[str | int]) -> list[str]:
    """The fields of the model at a path inside another model."""
    for part in path:
        fields = model.model_fields if _is_model(model) else {}
        model = fields[str(part)].annotation if str(part) in fields else None
    return list(model.model_fields) if _is_model(model) else []


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _kind(value: object) -> str:
    """The kind of a value, never the value itself."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "an object"


def _escaped(part: object) -> str:
    name = ascii(str(part)[:64])[1:-1]
    return name.replace("~", "~0").replace("/", "~1")

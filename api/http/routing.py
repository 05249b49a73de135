"""How every route is served: key and rate before anything is read, then a bounded body, then the handler.

Handlers take what they need from the request; dependencies would cost each of them a good part of its time.

A route says who may use it in ``openapi_extra``, so that the published description has it too: ``x-rate-class``, and
``x-operators-only``. Routes without a rate class need no key.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from api.http.admission import Caller
from api.http.json_body import BodyError, read_json
from api.http.problems import ProblemError
from api.http.rates import RateClass
from api.service import Service

LARGEST_BODY = 64 * 1024
LARGEST_BULK_BODY = 1024 * 1024
"""Bytes of a body."""
BODY_PATIENCE_S = 10.0
"""How long a body may take to arrive."""

RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]


class HubRequest(Request):
    """A request whose body is bounded in size and time, and read strictly."""

    largest = LARGEST_BODY

    @property
    def service(self) -> Service:
        """What the routes work with."""
        service: Service = self.app.state.service
        return service

    @property
    def caller(self) -> Caller:
        """Whose key it came with."""
        caller: Caller = self.scope["hub.caller"]
        return caller

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await self._bounded()
        return self._body

    async def json(self) -> Any:
        try:
            return read_json(await self.body())
        except BodyError as error:
            raise ProblemError(400, "invalid-body", str(error)) from None

    async def _bounded(self) -> bytes:
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise ProblemError(
                415,
                "media-type",
                "the body must be JSON; send the header Content-Type: application/json",
                headers=_CLOSE,
            )
        announced = self.headers.get("content-length", "")
        if announced.isdigit() and int(announced[:20]) > self.largest:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_PATIENCE_S):
                async for part in self.stream():
                    size += len(part)
                    if size > self.largest:
                        raise self._too_large()
                    parts.append(part)
        except TimeoutError:
            detail = f"the body did not arrive within {BODY_PATIENCE_S:g} s"
            raise ProblemError(408, "slow-body", detail, headers=_CLOSE) from None
        return b"".join(parts)

    def _too_large(self) -> ProblemError:
        detail = f"the body is larger than {self.largest:,} bytes; send less at once"
        return ProblemError(413, "body-too-large", detail, headers=_CLOSE)


# What is left of a refused body is not read, so nothing else can follow it on the connection.
_CLOSE = {"Connection": "close"}


class HubBulkRequest(HubRequest):
    """A request with many conditions in its body."""

    largest = LARGEST_BULK_BODY


class HubRoute(APIRoute):
    """A route behind the gate."""

    def get_route_handler(self) -> RouteHandler:
        answer = super().get_route_handler()
        extra = self.openapi_extra or {}
        rate: RateClass | None = extra.get("x-rate-class")
        operators_only = bool(extra.get("x-operators-only"))
        kind = HubBulkRequest if rate == "bulk" else HubRequest

        async def handle(request: Request) -> Response:
            given = kind(request.scope, request.receive)
            if rate is not None:
                gate = given.service.gate
                _, request.scope["hub.headers"] = gate.admit(request.scope, rate, operators_only=operators_only)
            return await answer(given)

        return handle


def hub_router(topic: str) -> APIRouter:
    """A router of routes behind the gate."""
    return APIRouter(route_class=HubRoute, tags=[topic], generate_unique_id_function=lambda route: route.name)

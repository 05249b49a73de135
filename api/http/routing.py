"""How every route is served: key and rate limit are checked first, then a bounded body is read, then the handler runs.

Handlers take what they need from the request: FastAPI's dependencies would take a good part of each handler's time.

A route states who may use it in ``openapi_extra``, and so in the published description too: ``x-rate-class`` and
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
from api.http.rates import RateClass, cost_of_body
from api.http.turns import Arguments, Result
from api.service import Service

LARGEST_BODY = 64 * 1024
LARGEST_BULK_BODY = 1024 * 1024
"""The most bytes that a body may have."""
BODY_PATIENCE_S = 10.0
"""How long a body may take to arrive."""

_SMALL_BODY = 8 * 1024
"""Bytes that are read within a few milliseconds, whatever they are."""

RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]


class HubRequest(Request):
    """A request whose body is limited in size and time, and parsed strictly."""

    largest = LARGEST_BODY

    @property
    def service(self) -> Service:
        """The service that the routes share."""
        service: Service = self.app.state.service
        return service

    @property
    def caller(self) -> Caller:
        """The owner of the key that it was sent with."""
        caller: Caller = self.scope["hub.caller"]
        return caller

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await self._bounded()
            await self.take_more(cost_of_body(self.scope["hub.rate"], len(self._body)))
        return self._body

    async def take_more(self, cost: int) -> None:
        """Count the request more often in its rate, before it makes work; raises a 429 problem beyond the rate."""
        await self.service.admission.take_more(self.scope, cost)

    async def charge(self, cost: int) -> None:
        """Count the request more often in its rate, for work that it has made."""
        await self.service.admission.charge(self.scope, cost)

    async def apart(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run work that keeps a processor busy in the thread in which users take turns."""
        return await self.service.turns.run(self.caller.user_id, work, *args, **kwargs)

    async def json(self) -> Any:
        try:
            raw = await self.body()
            return read_json(raw) if len(raw) <= _SMALL_BODY else await self.apart(read_json, raw)
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


# The rest of a refused body is not read, so no other request can follow on the connection.
_CLOSE = {"Connection": "close"}


class HubBulkRequest(HubRequest):
    """A request whose body has many conditions."""

    largest = LARGEST_BULK_BODY


class HubRoute(APIRoute):
    """A route behind admission."""

    def get_route_handler(self) -> RouteHandler:
        answer = super().get_route_handler()
        extra = self.openapi_extra or {}
        rate: RateClass | None = extra.get("x-rate-class")
        operators_only = bool(extra.get("x-operators-only"))
        kind = HubBulkRequest if rate == "bulk" else HubRequest

        async def admitted(request: HubRequest) -> Response:
            if rate is not None:
                admission = request.service.admission
                _, request.scope["hub.headers"] = await admission.admit(
                    request.scope, rate, operators_only=operators_only
                )
            return await answer(request)

        async def handle(request: Request) -> Response:
            hub_request = kind(request.scope, request.receive)
            view = hub_request.service.view
            if view is None or rate is None:
                return await admitted(hub_request)
            async with view.current():
                return await admitted(hub_request)

        return handle


def hub_router(topic: str) -> APIRouter:
    """A router whose routes are behind admission."""
    return APIRouter(route_class=HubRoute, tags=[topic], generate_unique_id_function=lambda route: route.name)

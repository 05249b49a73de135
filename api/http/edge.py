"""The outermost layer of the service: request ids, the access log, and a problem for every unexpected error."""

import itertools
import logging
import re
import secrets
import time
import traceback

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import ProblemError, problem
from api.http.proxies import TrustedProxies
from api.http.request_metrics import RequestMetrics

STORE_PATH = "/store"
"""Path of the store interface, which the hub's own processes call many times a second, and users never."""

SOCKET_PATH = b"/exchange/"
"""Where websockets are spoken."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PROCESS = secrets.token_hex(8)
_numbers = itertools.count(1)
_log = logging.getLogger("hub.api")


def new_request_id() -> str:
    """An id for a request that came without one."""
    return f"{_PROCESS}-{next(_numbers)}"


class Edge:
    """Wraps the application. It is pure ASGI, so that streams are passed on as they come."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, proxies: TrustedProxies) -> None:
        self._app = app
        self._metrics = metrics
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._proxies and scope.get("client"):
            scope["client"] = self._proxies.client(scope["client"][0], headers.getlist("x-forwarded-for")), 0
        proposed_id = headers.get("x-request-id", "")
        request_id = proposed_id if _REQUEST_ID.fullmatch(proposed_id) else new_request_id()
        scope["hub.request_id"] = request_id
        is_internal = scope["path"].startswith(f"{STORE_PATH}/")
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer_headers = MutableHeaders(scope=message)
                answer_headers["X-Request-ID"] = request_id
                answer_headers["X-Content-Type-Options"] = "nosniff"
                for name, value in scope.get("hub.headers", {}).items():
                    answer_headers[name] = value
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            scope["hub.failure"] = error
            if not status:
                response = problem(
                    request_id, ProblemError(500, "internal", "an internal error occurred; it has been logged")
                )
                await response(scope, receive, send_with_headers)
        finally:
            if not is_internal or "hub.failure" in scope:
                self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's template, never the path: people put keys into paths by mistake.
        route = getattr(scope.get("route"), "path", "-")
        self._metrics.count(route, scope["method"], status, seconds)
        caller = scope.get("hub.caller")
        fields = {
            "request_id": scope["hub.request_id"],
            "method": scope["method"] if len(scope["method"]) <= 16 else "-",
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "user": caller.user_id if caller else None,
            "key": caller.key_id if caller else None,
            "address": None if caller or not scope.get("client") else scope["client"][0],
        }
        failure: BaseException | None = scope.get("hub.failure")
        if failure is None:
            _log.info("request", extra={"fields": fields})
        else:
            # Where it failed, but not its message, which may quote what the client sent.
            frames = traceback.extract_tb(failure.__traceback__)
            fields |= {
                "error": type(failure).__name__,
                "at": [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
            }
            _log.error("request failed", extra={"fields": fields})

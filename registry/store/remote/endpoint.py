"""The store for other processes of the hub: ``POST /store/<operation>``, guarded by a token.

Not for users: the token permits everything that the store can do.
"""

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from hmac import compare_digest

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common.errors import HubError, StoreError, StoreNotWritable
from registry.store.protocol import WRITES, Store
from registry.store.remote.wire import (
    CALL_HEADER,
    CONTENT_TYPE,
    PROTOCOL,
    PROTOCOL_HEADER,
    Operation,
    encode_error,
    operations,
)

_log = logging.getLogger(__name__)

_THREADS = 16
_REPLIES_KEPT = 1_000

_REFUSED, _FAILED, _NO_SPACE = 409, 500, 507

Reply = tuple[int, bytes]
"""Status and body."""


def store_interface(store: Store, token: str) -> Starlette:
    """An ASGI app, to be mounted at ``/store``, for clients that know ``token``."""
    return Starlette(routes=[Route("/{operation}", _Endpoint(store, token).answer, methods=["POST"])])


class _Endpoint:
    def __init__(self, store: Store, token: str) -> None:
        self._store = store
        self._token = f"Bearer {token}".encode()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._writes: OrderedDict[str, asyncio.Future[Reply]] = OrderedDict()
        """The newest calls that write, in flight or replied to: a repeated call gets the reply of the first one."""

    async def answer(self, request: Request) -> Response:
        # Before the body is read: without the token nobody can make the owner work.
        if not compare_digest(request.headers.get("authorization", "").encode("latin-1"), self._token):
            return Response(status_code=401)
        operation = operations().get(request.path_params["operation"])
        if operation is None or request.headers.get(PROTOCOL_HEADER) != PROTOCOL:
            return _response(
                _refusal(
                    StoreError(
                        "the store's owner and this process have different versions of the hub; restart both with the "
                        "same one"
                    )
                )
            )
        status, body = await self._answer_to(operation, request.headers.get(CALL_HEADER), await request.body())
        return _response((status, body))

    async def _answer_to(self, operation: Operation, call: str | None, body: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        if call is None or operation.name not in WRITES:
            return await loop.run_in_executor(self._threads, self._run, operation, body)
        write = self._writes.get(call)
        if write is None:
            write = self._writes[call] = loop.run_in_executor(self._threads, self._run, operation, body)
            # A write in flight is never dropped: its repetition must not run it a second time.
            while len(self._writes) > _REPLIES_KEPT and next(iter(self._writes.values())).done():
                self._writes.popitem(last=False)
        # A client that disconnects does not cancel the write: it may come back and ask for the reply.
        return await asyncio.shield(write)

    def _run(self, operation: Operation, body: bytes) -> Reply:
        try:
            return 200, operation.run(self._store, body)
        except HubError as error:
            return _refusal(error)
        except Exception:
            _log.exception("%s failed", operation.name)
            return _FAILED, encode_error(StoreError(f"{operation.name} failed in the store's owner; its log says why"))


def _refusal(error: HubError) -> Reply:
    return _NO_SPACE if isinstance(error, StoreNotWritable) else _REFUSED, encode_error(error)


def _response(reply: Reply) -> Response:
    status, body = reply
    return Response(body, status, media_type=CONTENT_TYPE)

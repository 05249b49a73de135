"""Makes the first visit to the dashboard, so that no viewer has to wait for what only the first one waits for.

That is the libraries and compiled indicators which the pages load once they need them, and what the owner of the store
indexes when it is asked first. Afterwards all that is set aside from garbage collection: Streamlit collects after every
drawing, and went through each object of each library then.
"""

import gc
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from threading import Thread

import streamlit as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets import Subprotocol
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from common.errors import HubError
from common.settings import load_settings
from registry.store.owner import url_of

_log = logging.getLogger(__name__)
PAGES = ("savings", "conditions", "health", "ticks", "explore", "my_bots")
_START_S, _RETRY_S, _DRAW_S = 60.0, 0.1, 60.0
_LONGEST_MESSAGE = 1 << 28


@asynccontextmanager
async def warmed(_app: object) -> AsyncIterator[None]:
    """While the dashboard is served: warm it up beside whatever else it does."""
    Thread(target=_warm_up, name="dashboard-warming", daemon=True).start()
    yield


def _warm_up() -> None:
    address = st.get_option("server.address") or "localhost"
    try:
        # Without an owner, whoever reads the files keeps others from writing: only people may.
        pages = PAGES if url_of(load_settings()).startswith("http") else ()
        visit(f"ws://{address}:{st.get_option('server.port')}", pages)
    except (HubError, OSError, WebSocketException) as error:
        _log.warning("the first viewer will wait a little longer: the dashboard could not visit itself: %s", error)
    gc.collect()
    gc.freeze()


def visit(url: str, pages: Sequence[str]) -> list[str]:
    """Have pages drawn, as a browser does, by the dashboard at a websocket's URL; returns those that it has.

    The libraries of all pages are loaded, even if none is drawn. Raises ``OSError`` or ``WebSocketException`` if the
    dashboard does not answer, does not let this machine in, or takes too long.
    """
    with _connected(f"{url}/_stcore/stream", time.monotonic() + _START_S) as socket:
        for page in PAGES:
            import_module(f"dashboard.pages.{page}")
        return [page for page in pages if _is_drawn(socket, page)]


def _connected(address: str, until: float) -> ClientConnection:
    while True:
        try:
            return connect(
                address,
                subprotocols=[Subprotocol("streamlit")],
                max_size=_LONGEST_MESSAGE,
                proxy=None,
                compression=None,
            )
        except ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(_RETRY_S)


def _is_drawn(socket: Connection, page: str) -> bool:
    """Draw a page to its end; whether the dashboard has it, and draws it without an error."""
    socket.send(BackMsg(rerun_script=ClientState(page_name=page)).SerializeToString())
    until = time.monotonic() + _DRAW_S
    is_drawn = True
    while True:
        message = ForwardMsg.FromString(bytes(socket.recv(max(0.0, until - time.monotonic()), decode=False)))
        kind = message.WhichOneof("type")
        if kind == "page_not_found" or (
            kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception"
        ):
            is_drawn = False
        if kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return is_drawn

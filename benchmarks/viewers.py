"""Viewers of the dashboard without a browser: they speak Streamlit's websocket and draw nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

_LONGEST_MESSAGE = 1 << 28
_PATIENCE_S = 120.0


@dataclass
class Viewer:
    """A browser's tab on a page of the dashboard."""

    socket: websockets.ClientConnection
    page: str
    """As in the address; empty for the landing page."""
    query: str = ""
    refresh_s: float = 30.0
    """After how many seconds the page wants to be drawn again; the page says so itself."""
    _fragment: str = ""
    seconds: list[float] = field(default_factory=list)
    """How long each drawing took, from the question to the end of the answer."""

    async def draw(self) -> float:
        """Draw the whole page, as when it is opened or something is chosen on it."""
        return await self._ask(ClientState(page_name=self.page, query_string=self.query))

    async def draw_again(self) -> float:
        """Draw what is drawn again by itself, all but the heading."""
        state = ClientState(
            page_name=self.page, query_string=self.query, fragment_id=self._fragment, is_auto_rerun=True
        )
        return await self._ask(state)

    async def stay(self, until: float) -> None:
        """Look at the page until a time of :func:`time.perf_counter`, as a tab does that nobody touches."""
        await self.draw()
        while time.perf_counter() + self.refresh_s < until:
            await asyncio.sleep(self.refresh_s)
            await self.draw_again()

    async def _ask(self, state: ClientState) -> float:
        started = time.perf_counter()
        await self.socket.send(BackMsg(rerun_script=state).SerializeToString())
        async with asyncio.timeout(_PATIENCE_S):
            while not self._is_last(ForwardMsg.FromString(await self._received())):
                pass
        spent = time.perf_counter() - started
        self.seconds.append(spent)
        return spent

    async def _received(self) -> bytes:
        received = await self.socket.recv()
        assert isinstance(received, bytes)
        return received

    def _is_last(self, message: ForwardMsg) -> bool:
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            self._fragment, self.refresh_s = message.auto_rerun.fragment_id, message.auto_rerun.interval
        if kind == "page_not_found":
            raise RuntimeError(f"the dashboard has no page {self.page!r}")
        if kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            raise RuntimeError(f"the page {self.page!r} failed: {message.delta.new_element.exception.message}")
        return kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN


@asynccontextmanager
async def viewer(url: str, page: str, query: str = "") -> AsyncIterator[Viewer]:
    """A tab on a page of the dashboard at a URL, until the block ends."""
    address = f"{url.replace('http', 'ws', 1)}/_stcore/stream"
    async with websockets.connect(
        address, subprotocols=[websockets.Subprotocol("streamlit")], max_size=_LONGEST_MESSAGE, open_timeout=_PATIENCE_S
    ) as socket:
        yield Viewer(socket, page, query)

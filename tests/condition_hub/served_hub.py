"""A hub on a local port: the real API on a real store, with a clock that the test moves."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import uvicorn

from api.app import create_app
from api.http.connection import http_config
from api.service import Service
from common.clock import ReplayClock
from common.settings import Settings
from common.timeframes import DURATION_MS, to_ms
from flows.advance import Advanced, advance
from flows.runtime import Runtime
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.accounts import Role
from tests.events.log.memory_log import MemoryLog
from tests.waiting import wait_for


class ServedHub:
    """What a test needs of a hub: its address, keys, candles and ticks."""

    def __init__(self, store: FileStore, clock: ReplayClock, settings: Settings) -> None:
        self.store = store
        self.clock = clock
        self.settings = settings
        self.log = MemoryLog()
        self.port = 0
        self._service: Service | None = None
        self._runtime = Runtime(store, self.log, clock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def key(self, user_id: str = "alice", role: Role = "user") -> str:
        """A new key for a user."""
        key, text = new_key(user_id, role, "", self.clock.now_ms())
        self.store.accounts.add_key(key)
        return text

    def advance(self, candles: pl.DataFrame, timeframe: str = "1h") -> Advanced:
        """Add candles and run the tick that judges them."""
        self.store.candles.upsert(candles)
        close_ms = max(map(to_ms, candles["open_time"])) + DURATION_MS[timeframe]
        self.clock.move_to(close_ms)
        return asyncio.run(advance(self._runtime, timeframe, close_ms))

    def streams_of(self, user_id: str) -> int:
        """How many streams of triggers a user has open."""
        return 0 if self._service is None else self._service.user_feed.streams_of(user_id)

    @contextmanager
    def serving(self, port: int = 0) -> Iterator["ServedHub"]:
        """Serve until the block ends; a test may serve again on the same port."""
        listener = socket.create_server(("127.0.0.1", port))
        self.port = listener.getsockname()[1]
        self._service = Service(self.store, self.settings, self.log, self.clock)
        server = uvicorn.Server(http_config(create_app(self._service), grace_s=1))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_for(lambda: server.started, "the hub to start")
            yield self
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


@contextmanager
def open_hub(folder: Path, clock: ReplayClock, **settings: object) -> Iterator[ServedHub]:
    """A hub that is not being served yet."""
    with FileStore(folder / "store", clock=clock) as store:
        yield ServedHub(store, clock, Settings(_env_file=None, data_dir=folder, **settings))  # type: ignore[arg-type]

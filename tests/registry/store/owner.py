"""A real process that owns a store and serves it, for tests that kill it."""

import multiprocessing
import socket
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from registry.store.files.file_store import FileStore
from registry.store.remote.endpoint import store_interface
from tests.registry.store.serving import TOKEN

_FORKS = multiprocessing.get_context("forkserver")
# Owners start within milliseconds, as what they import is there already.
_FORKS.set_forkserver_preload(["tests.registry.store.owner"])


class Owner:
    """The owner of the store in a folder, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = self._started()
        # The first of them waits for what they all import.
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._process.is_alive()
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without warning, as `kill -9` does."""
        self._process.kill()
        self._process.join()

    def start(self) -> None:
        """Start it again."""
        self._process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()

    def _started(self) -> multiprocessing.process.BaseProcess:
        process = _FORKS.Process(target=_own, args=(self._folder, self.port))
        process.start()
        return process


def _own(folder: Path, port: int) -> None:
    with FileStore(folder) as store:
        app = Starlette(routes=[Mount("/store", store_interface(store, TOKEN))])
        uvicorn.run(app, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=5)

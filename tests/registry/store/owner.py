"""A real process that owns a store and serves it, for tests that kill it."""

import multiprocessing
import socket
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from registry.store.files.file_store import FileStore
from registry.store.remote.endpoint import store_interface
from tests.registry.store.serving import TOKEN
from tests.waiting import wait_for

_FORKS = multiprocessing.get_context("forkserver")
# Owners start within milliseconds, because everything they import is loaded already.
_FORKS.set_forkserver_preload(["tests.registry.store.owner"])


class Owner:
    """The owner of the store in a folder, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = self._started()
        # The first one also waits for the imports that all of them share.
        wait_for(self._answers, f"the owner of {folder} to listen", patience_s=60)

    def kill(self) -> None:
        """End it without warning, like `kill -9`."""
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

    def _answers(self) -> bool:
        assert self._process.is_alive()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def _started(self) -> multiprocessing.process.BaseProcess:
        process = _FORKS.Process(target=_own, args=(self._folder, self.port))
        process.start()
        return process


def _own(folder: Path, port: int) -> None:
    with FileStore(folder) as store:
        app = Starlette(routes=[Mount("/store", store_interface(store, TOKEN))])
        uvicorn.run(app, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=5)

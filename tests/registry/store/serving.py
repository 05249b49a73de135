"""A store's owner inside the test's process: the store interface, served by uvicorn on a free port."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from registry.store.protocol import Store
from registry.store.remote.endpoint import store_interface
from tests.waiting import wait_for

TOKEN = "token of the tests"

OpenAt = Callable[..., AbstractContextManager[Store]]
"""Opens the store in a folder, with a clock."""


@contextmanager
def serving(store: Store, port: int = 0, token: str = TOKEN) -> Iterator[str]:
    """The URL at which the store is served while the block runs."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        app = Starlette(routes=[Mount("/store", store_interface(store, token))])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive(), "the store to be served")
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()

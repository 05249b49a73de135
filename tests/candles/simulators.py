"""A simulated exchange on loopback, served by a real HTTP server in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from hub.demo.simulated_exchange import SimulatedExchange
from tests.waiting import wait_for


@contextmanager
def served(exchange: SimulatedExchange) -> Iterator[str]:
    """The address at which the exchange answers until the block ends."""
    # A cut connection is an error in the server's eyes.
    server = uvicorn.Server(uvicorn.Config(exchange, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, "the simulated exchange")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()

"""Servers behind webhooks that do everything but answer. On loopback, for as long as the block lasts."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

_ACCEPTED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


class HostileServer:
    """Takes connections, and treats each in a thread of its own."""

    def __init__(self, treat: Callable[["HostileServer", socket.socket], None]) -> None:
        self.requests: list[bytes] = []
        self.cut = 0
        """Connections that the other side ended."""
        self.over = threading.Event()
        self._treat = treat
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._channels: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, path: str) -> str:
        """An address that leads here."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/{path}"

    def ids(self) -> list[str]:
        """The ``webhook-id`` of each request."""
        lines = (line.decode() for request in self.requests for line in request.split(b"\r\n"))
        return [line.partition(": ")[2] for line in lines if line.lower().startswith("webhook-id: ")]

    def close(self) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for channel in self._channels:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                channel, _ = self._listener.accept()
                self._channels.append(channel)
                thread = threading.Thread(target=self._serve, args=(channel,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, channel: socket.socket) -> None:
        with channel:
            try:
                self.requests.append(channel.recv(65_536))
                self._treat(self, channel)
            except OSError:
                self.cut += not self.over.is_set()


def drip_body(server: HostileServer, channel: socket.socket) -> None:
    """A whole head, then a byte of the body now and then, for ever."""
    channel.sendall(_ACCEPTED)
    while not server.over.wait(0.3):
        channel.sendall(b".")


def drip_head(server: HostileServer, channel: socket.socket) -> None:
    """A byte of the head now and then, for ever."""
    channel.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not server.over.wait(0.3):
        channel.sendall(b".")


def stay_silent(server: HostileServer, channel: socket.socket) -> None:
    """No byte, for ever."""
    while channel.recv(65_536):
        pass
    server.cut += not server.over.is_set()


def reset(_: HostileServer, channel: socket.socket) -> None:
    """End the connection with a reset."""
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    channel.close()


def flood(server: HostileServer, channel: socket.socket) -> None:
    """A whole head, then a body without end, as fast as it is taken."""
    channel.sendall(_ACCEPTED)
    while not server.over.is_set():
        channel.sendall(bytes(65_536))


def redirect_to(url: str) -> Callable[[HostileServer, socket.socket], None]:
    """Send the post elsewhere."""

    def treat(_: HostileServer, channel: socket.socket) -> None:
        channel.sendall(f"HTTP/1.1 307 x\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode())

    return treat


@contextmanager
def hostile(*treatments: Callable[[HostileServer, socket.socket], None]) -> Iterator[list[HostileServer]]:
    """A server for each treatment."""
    with ExitStack() as stack:
        servers = [HostileServer(treat) for treat in treatments]
        for server in servers:
            stack.callback(server.close)
        yield servers

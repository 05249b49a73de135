"""A proxy between a client and the hub that breaks connections as a test asks."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PASS = 1 << 60
"""As many bytes as any connection will ever pass: it does not break."""


@dataclass
class FaultyProxy:
    """``script`` has an entry for each future connection: how many bytes of the hub's answers pass before it breaks, or
    an answer to give instead. Without an entry all bytes pass."""

    target: int
    script: list[int | bytes] = field(default_factory=list)
    port: int = 0
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            fate = self.script.pop(0) if self.script else PASS
            threading.Thread(target=self._one, args=(client, fate), daemon=True).start()

    def _one(self, client: socket.socket, fate: int | bytes) -> None:
        with client, suppress(OSError):
            if isinstance(fate, bytes):
                client.recv(65536)
                client.sendall(fate)
                return
            if fate == 0:
                return
            with socket.create_connection(("127.0.0.1", self.target)) as hub:
                threading.Thread(target=_pump, args=(client, hub, PASS), daemon=True).start()
                _pump(hub, client, fate)


def _pump(source: socket.socket, sink: socket.socket, left: int) -> None:
    with suppress(OSError):
        while left > 0 and (received := source.recv(min(left, 65536))):
            sink.sendall(received)
            left -= len(received)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def faulty_proxy(target: int, script: list[int | bytes]) -> Iterator[FaultyProxy]:
    """A proxy to a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = FaultyProxy(target, script, listener.getsockname()[1])
        thread = threading.Thread(target=proxy.serve, args=(listener,))
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()

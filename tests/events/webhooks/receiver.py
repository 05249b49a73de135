"""A bot's server that webhooks are posted to."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Remembers what it got, and answers 200 unless ``answer`` says otherwise."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[str, int], int] = lambda *_: 200
        self.retry_after: str | None = None
        """The header of answers 429."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender died on the way
                receiver.got.append((self.path, dict(self.headers), body))
                status = receiver.answer(self.path, json.loads(body).get("event", {}).get("seq", 0))
                self.send_response(status)
                if status == 429 and receiver.retry_after is not None:
                    self.send_header("Retry-After", receiver.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"

    def seqs(self, path: str) -> list[int]:
        return [body["event"]["seq"] for body in self.bodies(path)]

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(body) for where, _, body in self.got if where == f"/{path}"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

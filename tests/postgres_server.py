"""A real Postgres server for tests, where one is installed (Debian's, or PyPI's ``pgserver``)."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAMS = "HUB_TEST_POSTGRES"
"""Names the folder with ``initdb`` and ``pg_ctl``, where it is not one that is looked into."""


def programs() -> Path | None:
    """The folder with the programs of a server, ``None`` if there is none."""
    folders = [Path(named)] if (named := os.environ.get(PROGRAMS)) else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (package := find_spec("pgserver")) is not None and package.origin is not None:
        folders.append(Path(package.origin).parent / "pginstall" / "bin")
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def skip_unless_installed() -> None:
    """Skip a test where there is no server, or no library to reach it."""
    if programs() is None:
        pytest.skip(f"no Postgres is installed; apt install postgresql, or name its programs' folder in {PROGRAMS}")
    for module in ("psycopg", "psycopg_pool", "adbc_driver_postgresql"):
        if find_spec(module) is None:
            pytest.skip(f"the extra `postgres` is not installed: {module} is missing")


class PostgresServer:
    """A server of its own in a folder, reached by a socket in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run("initdb", "-D", str(folder / "data"), "-U", "hub", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.start()
        self._databases: dict[str, str] = {}

    def start(self, *settings: str) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(
            f"-c {setting}"
            for setting in ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off", *settings)
        )
        self._control("-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` is like a crash: it recovers from its log at the next start."""
        self._control("-m", mode, "stop")

    def url_of(self, place: Path) -> str:
        """The database that stands for a place, made when it is asked for first."""
        name = f"hub_{sha256(str(place).encode()).hexdigest()[:16]}"
        if name not in self._databases:
            self._psql("postgres", f"CREATE DATABASE {name}")
            self._databases[name] = f"postgresql://hub@/{name}?host={self.folder}"
        return self._databases[name]

    def cut_connections(self, url: str) -> None:
        """End all sessions of a database, as a network or an operator may."""
        name = next(name for name, place in self._databases.items() if place == url)
        self._psql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def drop_databases(self) -> None:
        """Drop all databases that were asked for: each has a thousand files."""
        for name in self._databases:
            self._psql("postgres", f"DROP DATABASE {name} WITH (FORCE)")
        self._databases.clear()

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", *arguments)

    def _psql(self, database: str, statement: str) -> None:
        self._run("psql", "-h", str(self.folder), "-U", "hub", "-d", database, "-qc", statement)

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None
        # The server refuses to run as root.
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*as_user, str(folder / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, for the duration of the block."""
    skip_unless_installed()
    # In memory where that is possible: every database has a thousand files.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="hub-postgres-", dir=memory if os.access(memory, os.W_OK) else None))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    try:
        server = PostgresServer(folder)
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)

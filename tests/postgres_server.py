"""A real Postgres server for tests, where one is installed (Debian's, or PyPI's ``pgserver``)."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import pytest

from tests.waiting import wait_for

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
    """A server of its own in a folder, reached by a socket in it. Everything done to it is real."""

    def __init__(self, folder: Path, *, initialise: tuple[str, ...] = (), log: Path | None = None) -> None:
        """``initialise`` has more options of ``initdb``; ``log`` is where it writes what it says, by default there."""
        self.folder = folder
        self.log = log or folder / "log"
        self._databases: dict[str, str] = {}
        self._settings: tuple[str, ...] = ()
        self._run(
            "initdb", "-D", str(folder / "data"), "-U", "hub", "-A", "trust", "-E", "UTF8", "--locale=C", *initialise
        )
        self.start()

    @classmethod
    def standby_of(cls, primary: "PostgresServer", folder: Path) -> Self:
        """A server in a new folder that follows another one."""
        standby = cls.__new__(cls)
        standby.folder, standby.log = folder, folder / "log"
        standby._databases, standby._settings = dict(primary._databases), ()
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        source = f"host={primary.folder} user=hub application_name={folder.name}"
        standby._run("pg_basebackup", "-D", str(folder / "data"), "-d", source, "-R", "-X", "stream", "-c", "fast")
        standby.start()
        return standby

    def start(self, *settings: str) -> None:
        """Start it, and wait until it answers. Without settings, it has those that it was started with before."""
        settings = self._settings = settings or self._settings
        options = " ".join(
            f"-c {setting}"
            for setting in ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off", *settings)
        )
        self._control("-l", str(self.log), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` is like a crash: it recovers from its log at the next start."""
        self._control("-m", mode, "stop")

    def kill(self) -> None:
        """End all of its processes as a crash of the machine would, but for what the system has in memory."""
        postmaster = self._pid()
        # No process may begin between those that are seen and the end of the one that starts them.
        os.kill(postmaster, signal.SIGSTOP)
        # Until nobody has its number: to the next server, a zombie of that number is a server that runs.
        is_there = Path(f"/proc/{postmaster}").exists
        wait_for(lambda: not self._killed() and not is_there(), "the server's processes to be gone")

    def runs(self) -> bool:
        """Whether it answers, or can be expected to."""
        return (self.folder / "data" / "postmaster.pid").exists() and _runs(self._pid())

    def promote(self) -> None:
        """Have it stop following the other server, and take writes."""
        self._control("promote")

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run a statement; returns what it says, without headings."""
        return self._psql(database, statement)

    def database_of(self, url: str) -> str:
        """The name of a database."""
        return next(name for name, place in self._databases.items() if place == url)

    def url_of(self, place: Path) -> str:
        """The database that stands for a place, made when it is asked for first."""
        name = f"hub_{sha256(str(place).encode()).hexdigest()[:16]}"
        if name not in self._databases:
            self._psql("postgres", f"CREATE DATABASE {name}")
            self._databases[name] = f"postgresql://hub@/{name}?host={self.folder}"
        return self._databases[name]

    def cut_connections(self, url: str) -> None:
        """End all sessions of a database, as a network or an operator may."""
        name = self.database_of(url)
        self._psql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def drop_databases(self) -> None:
        """Drop all databases that were asked for: each has a thousand files."""
        for name in self._databases:
            self._psql("postgres", f"DROP DATABASE {name} WITH (FORCE)")
        self._databases.clear()

    def _killed(self) -> list[int]:
        """Kill those of its processes that are still there; all of them work in its folder."""
        processes = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if place.joinpath("cwd").readlink() == self.folder / "data":
                    processes.append(int(place.name))
                    os.kill(processes[-1], signal.SIGKILL)
        return processes

    def _pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", *arguments)

    def _psql(self, database: str, statement: str) -> str:
        return self._run("psql", "-h", str(self.folder), "-U", "hub", "-d", database, "-qAtc", statement).strip()

    def _run(self, program: str, *arguments: str) -> str:
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
        assert done.returncode == 0, f"{program}: {done.stderr or self.log.read_text()[-2_000:]}"
        return done.stdout or ""


def _runs(process: int) -> bool:
    """Whether a process is there that has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def postgres_server(
    place: Path | None = None, *, initialise: tuple[str, ...] = (), log: Path | None = None
) -> Iterator[PostgresServer]:
    """A running server in a folder of its own in ``place``, for the duration of the block; see also its class."""
    skip_unless_installed()
    # In memory where that is possible: every database has a thousand files.
    memory = Path("/dev/shm")
    place = place or (memory if os.access(memory, os.W_OK) else None)
    folder = Path(tempfile.mkdtemp(prefix="hub-postgres-", dir=place))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    try:
        server = PostgresServer(folder, initialise=initialise, log=log)
        try:
            yield server
        finally:
            if server.runs():
                server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)

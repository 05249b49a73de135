"""F24 and F25: a hub in Postgres, whose server is killed, restarted, cut off, and has no space left."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos.processes import EFFORT, PATIENCE_S, Process
from tests.chaos.shared_hub import SharedHub, cut_connections, kill_postgres, restart_postgres
from tests.chaos.storm import Fault, Storm, kill_evaluator, kill_server, wipe_server
from tests.postgres_server import PostgresServer, postgres_server
from tests.waiting import wait_for

NewHub = Callable[..., SharedHub]

TICKS = min(60 * EFFORT, 240)
FAULTS = 4 * EFFORT

STORMS: dict[str, tuple[Fault, ...]] = {
    "postgres": (kill_postgres, restart_postgres, cut_connections),
    "everything": (kill_postgres, cut_connections, kill_evaluator, kill_server, wipe_server),
}


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server that only this case has."""
    with postgres_server() as server:
        yield server


@pytest.mark.parametrize("name", STORMS)
def test_a_hub_outlives_its_postgres(name: str, new_hub: NewHub, postgres: PostgresServer) -> None:
    """F24: Postgres is killed, restarted, its sessions cut, while two evaluators judge and a service publishes."""
    hub = new_hub(of=SharedHub, postgres=postgres)
    service, other = hub.serve(), hub.evaluate(TICKS)
    Storm(hub, TICKS).run(STORMS[name], FAULTS)
    other.finish()
    service.kill()
    rest = hub.rest()
    rest.check(TICKS)
    assert not rest.gaps


def fill_up(disk: Path) -> Path:
    """Leave no byte free; returns what takes up the rest."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(65_536)):
            pass
    return ballast


def wait_until_full(postgres: PostgresServer, evaluator: Process) -> bool:
    """Wait until the server says that it has no space; returns whether it did so before the evaluator ended."""

    def complaints() -> int:
        return postgres.log.read_text(errors="replace").count("No space left on device")

    before = complaints()
    wait_for(lambda: complaints() > before or not evaluator.runs(), "the server to have no room", PATIENCE_S)
    return evaluator.runs()


@pytest.mark.parametrize("small_disk", [96], indirect=True)
def test_a_full_tablespace_stops_judging_until_there_is_room(
    new_hub: NewHub, postgres: PostgresServer, small_disk: Path
) -> None:
    """F25: the disk of the tables is full again and again; the evaluator goes on by itself."""
    hub = new_hub(of=SharedHub, postgres=postgres)
    place = small_disk / "tables"
    place.mkdir()
    if os.geteuid() == 0:
        shutil.chown(place, "postgres", "postgres")
    postgres.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
    postgres.execute(f"ALTER DATABASE {postgres.database_of(hub.place)} SET TABLESPACE small")
    evaluator = hub.evaluate(TICKS)
    for _ in range(2 * EFFORT):
        ballast = fill_up(small_disk)
        hub.faults["no space left for tables in Postgres"] += wait_until_full(postgres, evaluator)
        ballast.unlink()
        time.sleep(hub.dice.uniform(0, 0.2))
    assert hub.faults
    evaluator.finish()
    rest = hub.rest()
    rest.check(TICKS)
    assert not rest.gaps


@pytest.mark.parametrize("small_disk", [160], indirect=True)
def test_a_full_disk_of_the_whole_server_loses_nothing(new_hub: NewHub, small_disk: Path) -> None:
    """F25: there is no room for the log of Postgres, so that it ends, and is started once there is some."""
    # Small segments: it writes to a new one, for which there is no room, after a few ticks.
    log = small_disk.with_suffix(".log")
    with postgres_server(small_disk, initialise=("--wal-segsize=1",), log=log) as postgres:
        postgres.stop()
        postgres.start("max_wal_size=2MB", "min_wal_size=2MB", "wal_recycle=off")
        hub = new_hub(of=SharedHub, postgres=postgres)
        evaluator = hub.evaluate(TICKS)
        for _ in range(2 * EFFORT):
            ballast = fill_up(small_disk)
            hub.faults["no space left for Postgres"] += wait_until_full(postgres, evaluator)
            ballast.unlink()
            if not postgres.runs():
                postgres.start()
            time.sleep(hub.dice.uniform(0, 0.2))
        assert hub.faults
        evaluator.finish()
        rest = hub.rest()
        rest.check(TICKS)
        assert not rest.gaps
    log.unlink()

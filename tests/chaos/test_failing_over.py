"""F26 and F27: a standby takes the place of a killed Postgres.

One that followed synchronously lacks nothing. What another one lacks comes back from the stream, or is reported.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from common.supervised import free_port
from registry.store import open_store
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Finding, Store
from tests.chaos import scene, shared_roles
from tests.chaos.processes import EFFORT, PATIENCE_S, Process
from tests.chaos.shared_hub import SharedHub
from tests.postgres_server import PostgresServer, postgres_server
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
NewHub = Callable[..., SharedHub]

_BEHIND = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    """A server that only this case has."""
    with postgres_server() as server:
        yield server


class Pair:
    """A hub on a primary and its standby, named both in its URL."""

    def __init__(self, new_hub: NewHub, primary: PostgresServer) -> None:
        self.hub = new_hub(of=SharedHub, postgres=primary)
        self.primary = primary
        database = primary.database_of(self.hub.place)
        self.standby = PostgresServer.standby_of(primary, primary.folder / "standby")
        hosts = f"{primary.folder},{self.standby.folder}"
        self.hub.place = f"postgresql://hub@/{database}?host={hosts}&target_session_attrs=read-write"

    def wait_for_standby(self) -> None:
        """Wait until the standby has everything."""
        wait_for(lambda: self.primary.execute(_BEHIND) == "1", "the standby to follow")

    def fail_over(self) -> None:
        """The primary dies, and the standby takes its place."""
        self.primary.kill()
        if not self.standby.runs():
            self.standby.start()
        self.standby.promote()
        self.hub.faults["Postgres killed, standby promoted"] += 1

    def close(self) -> None:
        if self.standby.runs():
            self.standby.stop("immediate")


@pytest.fixture
def pair(new_hub: NewHub, primary: PostgresServer) -> Iterator[Pair]:
    """A hub with a standby."""
    made = Pair(new_hub, primary)
    yield made
    made.close()


def started_again(process: Process, start: Callable[[], Process]) -> Process:
    """What a supervisor does with a process that says it has to be started again."""
    assert process.wait() == shared_roles.AGAIN
    return start()


def finished(process: Process, start: Callable[[], Process]) -> None:
    """Have a process finish its work, however often it has to be started again."""
    while (code := process.wait()) == shared_roles.AGAIN:
        process = start()
    assert code == 0, f"{process.name} ended with {code}"


def lost(store: Store) -> Finding:
    """What the check of a store says of registrations."""
    (finding,) = [finding for finding in store.check() if finding.subject.startswith("what was registered")]
    return finding


def unknown(store: Store, acknowledged: Path) -> list[str]:
    """What was acknowledged and is not there."""
    return [
        line for line in acknowledged.read_text().splitlines() if store.registry.subscription(*line.split(" ")) is None
    ]


@pytest.mark.parametrize("turn", range(min(EFFORT, 5)))
def test_a_synchronous_standby_lacks_nothing(turn: int, pair: Pair, tmp_path: Path) -> None:
    """F26: Postgres is killed while two evaluators judge and a user registers; its synchronous standby takes over."""
    hub, ticks, acknowledged = pair.hub, 60, tmp_path / "acknowledged"
    pair.primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{pair.standby.folder.name}'")
    pair.primary.execute("SELECT pg_reload_conf()")
    service, user = hub.serve(), hub.register(1, acknowledged)
    evaluators = [hub.evaluate(ticks), hub.evaluate(ticks)]
    wait_for(lambda: hub.server.log().last_seq() > 10 * (1 + turn), "some triggers to be published")
    wait_for(acknowledged.exists, "something to be registered")
    pair.fail_over()
    service = started_again(service, hub.serve)
    user = started_again(user, lambda: hub.register(1, acknowledged))
    for evaluator in evaluators:
        finished(evaluator, lambda: hub.evaluate(ticks))
    finished(hub.evaluate(ticks), lambda: hub.evaluate(ticks))
    assert user.kill()
    assert service.kill()
    rest = hub.rest()
    rest.check(ticks)
    assert not rest.gaps
    with open_store(hub.place, read_only=True) as store:
        assert not unknown(store, acknowledged)
        assert lost(store).problem is None


def test_what_an_asynchronous_standby_lacks_comes_back_or_is_reported(pair: Pair, tmp_path: Path) -> None:
    """F27: a standby takes over that lacks the last ticks and registrations: triggers come back from the stream."""
    hub, acknowledged = pair.hub, tmp_path / "acknowledged"
    hub.evaluate(20).finish()
    service, user = hub.serve(), hub.register(1, acknowledged)
    wait_for(acknowledged.exists, "something to be registered")
    pair.wait_for_standby()
    pair.standby.stop()
    copied = acknowledged.read_text().splitlines()
    hub.evaluate(40).finish()
    wait_for(lambda: len(acknowledged.read_text().splitlines()) > len(copied) + 2, "more to be registered")
    published = hub.server.log().read(0, 100_000)
    pair.fail_over()
    for process in (service, user):
        assert process.wait() == shared_roles.AGAIN
    with open_store(hub.place, read_only=True) as store:
        behind, missing, told = store.triggers.last_seq(), unknown(store, acknowledged), lost(store)
        conditions = {line.split(" ")[2] for line in missing if store.registry.condition(line.split(" ")[2]) is None}
    assert behind < published[-1].seq
    assert set(missing) == set(acknowledged.read_text().splitlines()[-len(missing) :])
    assert len(missing) > 2
    assert told.problem is not None
    assert told.problem.startswith(f"{len(missing) + len(conditions)} registrations are not: ")
    assert f"user-1's {missing[0].split(' ')[1]} on {missing[0].split(' ')[2]}" in told.problem
    finished(hub.evaluate(60), lambda: hub.evaluate(60))
    rest = hub.rest()
    rest.check(60, restored=True)
    assert not rest.gaps
    assert rest.events[: len(published)] == published, "what was published keeps its numbers"
    with open_store(hub.place) as store:
        later = scene.close_of(scene.TICKS)
        for user_id, bot_id, condition_id in (line.split(" ") for line in missing):
            wanted = next(each for each in map(scene.wanted_by_many, range(40)) if each.id == condition_id)
            store.registry.register([wanted], active_from_ms=later)
            store.registry.subscribe(
                [SubscriptionRequest(user_id, bot_id, condition_id, "dca", {})], active_from_ms=later
            )
        assert lost(store).problem is None, "they were made again"


@pytest.mark.skipif(EFFORT == 1, reason="takes half a minute: `make chaos`")
def test_a_service_ends_by_itself_and_serves_the_copy(pair: Pair, tmp_path: Path) -> None:
    """F26: a whole service is failed over: it ends with exit code 1, as a supervisor expects it, and comes back."""
    hub, port = pair.hub, free_port()
    settings = {
        "HUB_DATA_DIR": str(tmp_path / "data"),
        "HUB_STORE_URL": pair.hub.place,
        "REDIS_URL": hub.server.url,
        "HUB_API_PORT": str(port),
        "HUB_WITHOUT": "worker,ingest,bots,webhooks,dashboard",
    }

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(ROOT / "app_cli.py"), "up"]
        return subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=log)

    def is_ready() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
        return False

    with (tmp_path / "log").open("wb") as log:
        service = start()
        try:
            wait_for(is_ready, "the service to be ready", PATIENCE_S)
            pair.wait_for_standby()
            pair.fail_over()
            assert service.wait(PATIENCE_S) == 1
            service = start()
            wait_for(is_ready, "it to be ready again", PATIENCE_S)
        finally:
            service.terminate()
            service.wait(PATIENCE_S)
    said = (tmp_path / "log").read_text()
    assert "is another copy than the one that this process has in memory" in said
    assert "another copy of the store's database has taken its place" in said


@pytest.mark.skipif(EFFORT == 1, reason="takes half a minute: `make chaos`")
def test_numbers_that_were_seen_and_are_lost_are_not_used_again(pair: Pair, tmp_path: Path) -> None:
    """F27: the same with triggers that were recorded and seen, but never published: they get other numbers."""
    hub, judged = pair.hub, tmp_path / "judged"
    hub.evaluate(20).finish()
    service = hub.serve()
    pair.wait_for_standby()
    pair.standby.stop()
    before = hub.server.log().last_seq()
    hub.server.client().config_set("maxmemory", "1")
    hub.faults["server out of memory"] += 1
    evaluator = hub.evaluate(40, judged=judged)
    wait_for(judged.exists, "everything to be judged without a stream")
    with open_store(hub.place, read_only=True) as store:
        seen = store.triggers.last_seq()
    assert seen > before
    # The service looks again and again what the newest number is.
    time.sleep(0.5)
    pair.fail_over()
    assert service.wait() == shared_roles.AGAIN
    hub.server.client().config_set("maxmemory", "0")
    finished(evaluator, lambda: hub.evaluate(60))
    finished(hub.evaluate(60), lambda: hub.evaluate(60))
    rest = hub.rest()
    rest.check(60, restored=True)
    assert rest.gaps == [(before + 1, seen)]

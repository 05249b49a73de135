"""One hub in several processes, on one store in Postgres and one event log: whatever one is told, each knows."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

import app_cli
from common.clock import ReplayClock, SystemClock
from common.errors import WebhookError
from events.log.publisher import drain
from events.log.redis_log import RedisEventLog
from hub.hub_processes import processes_of
from hub.serve import _rearm_elsewhere
from registry.keys import new_key
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.parts.delivery import Webhook
from registry.store.protocol import Store
from tests.api.served_hub import NOON_MS, few_candles, record_tick
from tests.events.servers import FaultyServer, binary
from tests.hub.machines import PATIENCE_S, Reader, hub_up
from tests.postgres_server import PostgresServer, postgres_server
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[FaultyServer]:
    server = FaultyServer(binary("valkey"), tmp_path / "valkey")
    server.start()
    yield server
    server.close()


@pytest.fixture
def environment(postgres: PostgresServer, valkey: FaultyServer, tmp_path: Path) -> dict[str, str]:
    """The settings that all processes have."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "HUB_STORE_URL": postgres.url_of(tmp_path),
        "REDIS_URL": f"unix://{valkey.socket}",
        "HUB_API_PORT": "0",
    }


def user(store: Store, name: str) -> tuple[str, str]:
    """A new key: its id, and its text."""
    key, text = new_key(name, "user", "", NOON_MS)
    store.accounts.add_key(key)
    return key.key_id, text


def test_each_streams_counts_and_publishes_for_all(
    environment: dict[str, str], valkey: FaultyServer, tmp_path: Path
) -> None:
    limits = {"HUB_API_RATE_READ": "12/hour", "HUB_QUOTA_CONDITIONS": "2"}
    with ExitStack() as stack:
        store = stack.enter_context(open_store(environment["HUB_STORE_URL"]))
        store.candles.upsert(few_candles())
        key_id, key = user(store, "ann")
        one, other = (
            stack.enter_context(hub_up(tmp_path / name, environment | limits, "--role", "api")) for name in ("a", "b")
        )
        at_one, at_other = (stack.enter_context(machine.as_user(key)) for machine in (one, other))

        # Registered here, subscribed there, streamed by both: once each.
        registered = at_one.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"})
        assert registered.status_code == 201, registered.text
        condition_id = registered.json()["condition_id"]
        wanted = {"bot_id": "b", "condition_id": condition_id, "bot_type": "dca", "bot_config": {}}
        assert at_other.post("/conditions/subscribe", json=wanted).status_code == 201
        readers = [Reader(stack.enter_context(machine.as_user(key))) for machine in (one, other)]
        log = RedisEventLog(stack.enter_context(closing(valkey.client())))
        clock = ReplayClock(_now_ms())
        (first,) = record_tick(store, clock, (condition_id,), before_ms=_now_ms())
        drain(store, log)
        wait_for(lambda: all(reader.seqs for reader in readers), "the trigger in both streams")

        # What one counted, the other knows.
        assert at_other.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 2"}).status_code == 201
        assert at_one.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 3"}).status_code == 429
        statuses = [client.get("/instruments").status_code for _ in range(7) for client in (at_one, at_other)]
        assert statuses == [200] * 12 + [429] * 2

        # Nobody has published when one is killed: the other does, and no number is missing or doubled.
        one.process.send_signal(signal.SIGKILL)
        (second,) = record_tick(store, clock, (condition_id,))
        wait_for(lambda: len(readers[1].seqs) == 2, "the trigger from the one that is left")
        wait_for(lambda: log.last_seq() == second, "the one that is left to publish it")
        assert readers[1].seqs == [first, second]
        assert [entry.seq for entry in log.read(0, 10)] == list(range(1, second + 1))

        # A key that is revoked anywhere ends its streams everywhere.
        store.accounts.revoke_key(key_id, at_ms=_now_ms())
        readers[1].thread.join(PATIENCE_S)
        assert not readers[1].thread.is_alive()
        assert at_other.get("/health/live").status_code == 200
        assert at_other.post("/conditions/register", json={"condition": "BTCUSDT 1h: close > 1"}).status_code == 401


def test_each_role_starts_what_it_needs(environment: dict[str, str], tmp_path: Path) -> None:
    with open_store(environment["HUB_STORE_URL"]) as store:
        store.candles.upsert(few_candles())
    with (
        hub_up(tmp_path / "gateway", environment, "--role", "gateway") as gateway,
        hub_up(tmp_path / "ingest", environment, "--role", "ingest") as ingest,
    ):
        assert {(each.name, each.role) for each in processes_of(ingest.folder)} == {("ingest", None)}
        wait_for(lambda: len(processes_of(gateway.folder)) == 2, "the bots to be run", PATIENCE_S)
        assert {(each.name, each.role) for each in processes_of(gateway.folder)} == {("hub", "gateway"), ("bots", None)}
        shown = subprocess.run(
            [sys.executable, "-m", "app_cli", "status", "--data", str(gateway.folder)],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert f"hub {gateway.process.pid} (gateway)" in shown.stdout
        with httpx.Client(base_url=gateway.url) as client:
            assert client.get("/health/ready").json()["status"] == "ok"
    assert processes_of(gateway.folder) == processes_of(ingest.folder) == []


def test_who_does_not_post_says_so_to_a_bot_that_would_not_be_told(tmp_path: Path) -> None:
    with FileStore(tmp_path / "store") as store:
        _rearm_elsewhere(store, "ann", "b", "c")
        store.delivery.add_webhook(Webhook("w", "ann", "https://example.com", "s", "b", "active", 0, 0, 1))
        _rearm_elsewhere(store, "ann", "another", "c")
        with pytest.raises(WebhookError, match="role gateway"):
            _rearm_elsewhere(store, "ann", "b", "c")


@pytest.mark.parametrize("role", ["api", "gateway", "worker", "ingest"])
def test_one_of_several_needs_what_several_can_share(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith(("HUB_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    assert app_cli.run(["up", "--role", role]) == 1
    assert "HUB_STORE_URL=postgresql://" in capsys.readouterr().err
    monkeypatch.setenv("HUB_STORE_URL", "postgresql://hub@nowhere/hub")
    assert app_cli.run(["up", "--role", role]) == 1
    assert "REDIS_URL" in capsys.readouterr().err


def _now_ms() -> int:
    return SystemClock().now_ms()

"""Each check on a thing that is wrong, and on the same thing when it is right."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from common.settings import Settings, load_settings
from events.server import BundledServer
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from hub.doctor import machine, processes, work
from hub.doctor.exchange_clock import clock_checks
from hub.doctor.health_check import HealthCheck
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from tests.analysis.test_progress import HOUR, candles
from tests.candles.simulators import served
from tests.flows.recorded_prefect import RecordedPrefect, failed_run, recorded, worker


def settings_in(folder: Path, **others: object) -> Settings:
    return load_settings(data_dir=folder, without="dashboard", **others)


def test_packages_are_those_that_the_hub_was_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.versions().ok
    monkeypatch.setattr(machine, "version", lambda name: "0.200.0" if name == "fastapi" else "999")
    check = machine.versions()
    assert check.ok is False
    assert "fastapi is 0.200.0, not" in check.detail
    assert "requirements.lock" in check.detail


def test_a_port_that_another_process_has(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_in(tmp_path, api_port=taken.getsockname()[1])
        check = machine.ports(settings, is_running=False)
        assert (check.ok, f"HUB_API_PORT={settings.api_port}" in check.detail) == (False, True)
        assert machine.ports(settings, is_running=True).ok
    assert machine.ports(settings, is_running=False).ok


@pytest.mark.parametrize(
    ("prefect", "ok", "says"),
    [
        (RecordedPrefect([worker()]), True, "no late or failed run"),
        (RecordedPrefect([worker("OFFLINE")]), False, "no worker is online"),
        (RecordedPrefect([worker()], is_paused=True), False, "resume it"),
        (RecordedPrefect([worker()], late=2), False, "2 runs are late"),
        (RecordedPrefect([worker()], failed=[failed_run(1, "StoreUnreachable")]), None, "StoreUnreachable"),
    ],
)
def test_scheduling(tmp_path: Path, prefect: RecordedPrefect, ok: bool | None, says: str) -> None:
    with recorded(prefect, tmp_path):
        check = processes.scheduling(tmp_path, 1_796_066_190_000)
    assert (check.ok, says in check.detail) == (ok, True), check


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[BundledServer]:
    server = BundledServer(tmp_path / "events").start()
    yield server
    server.stop()


def test_a_server_of_the_event_log_that_would_lose_events(tmp_path: Path, valkey: BundledServer) -> None:
    def check() -> HealthCheck:
        return processes.event_log(settings_in(tmp_path), is_running=True)

    assert check().ok, check()
    with valkey.connect() as client:
        client.config_set("appendonly", "no")
        assert (check().ok, "append-only file" in check().detail) == (False, True)
        client.config_set("appendonly", "yes")
        client.config_set("maxmemory", 100_000)
        assert (check().ok, "raise maxmemory" in check().detail) == (False, True)
        client.config_set("maxmemory", 0)
    assert check().ok
    valkey.stop()
    assert (check().ok, "hub up" in check().detail) == (False, True)


def test_gaps_and_timeframes_that_are_not_judged(store: FileStore) -> None:
    store.candles.upsert(pl.concat([candles("BTCUSDT", 0, 20), candles("BTCUSDT", 23, 30), candles("ETHUSDT", 0, 9)]))
    assert work.gaps(store).ok, "nobody reads the series"
    assert work.judging(store, 30 * HOUR, is_needed=True).ok is None
    store.registry.register([Condition.parse("BTCUSDT 1h: close > 2")], active_from_ms=30 * HOUR)
    gaps = work.gaps(store)
    assert (gaps.ok, "1 in 1 series, the newest in BINANCE:BTCUSDT 1h" in gaps.detail) == (None, True), gaps
    assert (work.candles(store, 30 * HOUR).ok, work.judging(store, 30 * HOUR, is_needed=True).ok) == (True, True)
    late = work.judging(store, 31 * HOUR + 3 * 60_000, is_needed=True)
    assert (late.ok, "1h since ever" in late.detail) == (False, True)
    assert work.judging(store, 31 * HOUR + 3 * 60_000, is_needed=False).ok is None
    assert work.candles(store, 32 * HOUR).ok is None


def test_the_clock_is_compared_with_the_exchanges(store: FileStore, tmp_path: Path) -> None:
    store.candles.upsert(candles("BTCUSDT", 0, 9))
    assert [each.ok for each in clock_checks(store, settings_in(tmp_path), 0)] == [None]
    store.registry.register([Condition.parse("BTCUSDT 1h: close > 2")], active_from_ms=9 * HOUR)
    ahead_ms = 0
    exchange = SimulatedExchange([Pair("BTC")], lambda: time.time_ns() // 1_000_000 + ahead_ms)
    with served(exchange) as url:
        settings = settings_in(tmp_path, exchange_urls={"binance": url})
        assert [each.ok for each in clock_checks(store, settings, 9 * HOUR)] == [True]
        ahead_ms = 5_000
        (check,) = clock_checks(store, settings, 9 * HOUR)
        assert (check.ok, "behind BINANCE" in check.detail, "timedatectl" in check.detail) == (False, True, True)
    (check,) = clock_checks(store, settings, 9 * HOUR)
    assert (check.ok, "does not answer" in check.detail) == (False, True)
    (check,) = clock_checks(store, settings.model_copy(update={"without": ("ingest",)}), 9 * HOUR)
    assert check.ok is None

"""It runs by itself: from an empty folder, a service, a worker and one condition are enough for a first trigger."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from tests.candles.simulators import served
from tests.chaos.processes import EFFORT
from tests.flows.hub_folder import PATIENCE_S, Folder, registered
from tests.waiting import wait_for

BTC = Pair("BTC")


def first_event(client: httpx.Client) -> dict[str, Any]:
    """The first event of a user's stream."""
    with client.stream("GET", "/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                return dict(json.loads(line.removeprefix("data: ")))
    raise AssertionError("the stream ended without an event")


@pytest.fixture
def exchange() -> SimulatedExchange:
    return SimulatedExchange([BTC, Pair("ETH")], lambda: time.time_ns() // 1_000_000)


@pytest.fixture
def folder(tmp_path: Path, exchange: SimulatedExchange) -> Iterator[Folder]:
    with served(exchange) as url:
        made = Folder(tmp_path, {"binance": url})
        yield made
        made.stop()


def test_a_registration_is_all_that_a_first_trigger_needs_and_a_killed_worker_goes_on(
    folder: Folder, exchange: SimulatedExchange
) -> None:
    up = folder.start("up")
    wait_for(lambda: folder.said("up", "every close is judged"), "the service", PATIENCE_S)
    with folder.client() as client:
        nowhere = registered(client, "NOPEUSDT 1m: close > 1")
        wanted = registered(client, "BTCUSDT 1m: every(rsi(14) > 0)")
        subscription = {"bot_id": "first", "condition_id": wanted, "bot_type": "dca", "bot_config": {}}
        assert client.post("/conditions/subscribe", json=subscription).status_code == 201
        event = first_event(client)
        assert (event["condition_id"], event["symbol"]) == (wanted, "BTCUSDT")
        (right,) = exchange.candles(BTC, "1m", event["open_time"], event["close_time"])
        assert event["price"] == right.values[3]
        status = client.get(f"/conditions/{nowhere}/status").json()
        assert status["state"] == "err"
        assert status["reason"].startswith("no such market at binance: BINANCE:NOPEUSDT")
        # By now the exchange has been asked, and a symbol that it does not list is refused.
        refused = client.post("/conditions/register", json={"condition": "ETHUSTD 1m: close > 1"})
        assert (refused.status_code, "did you mean ETHUSDT?" in refused.text) == (422, True)
        operator = {"Authorization": f"Bearer {folder.key('olga', '--operator')}"}
        wait_for(
            lambda: "hub_isolated_exchange_requests_total" in client.get("/metrics", headers=operator).text,
            "the requests that were made",
        )
        assert 'hub_exchange_requests_total{exchange="BINANCE"}' in client.get("/metrics", headers=operator).text
    shown = json.loads(folder.run("status", "--json").stdout)
    (minute,) = shown["timeframes"]
    assert (minute["timeframe"], minute["lag_s"] < 60) == ("1m", True)
    assert [each["online"] for each in shown["prefect"]["workers"]] == [True]
    checks = {each["name"]: each["ok"] for each in json.loads(folder.run("doctor", "--json").stdout)}
    assert (checks["worker"], checks["prefect"], checks["judging"], checks["clock"]) == (True, True, True, True)
    worker = folder.worker() or 0
    second = folder.run("worker")
    assert second.returncode == 1
    assert f"already running: process {worker}" in second.stderr

    os.kill(worker, signal.SIGKILL)
    before = folder.triggers()
    wait_for(lambda: folder.triggers() > before, "a trigger after the kill", PATIENCE_S)
    assert folder.worker() != worker
    known = folder.prefect()
    assert known.pool == "warm"
    assert {"1m", "4h", "1w"} <= set(known.deployments)
    assert "Completed" in known.states["tick-1m"]
    assert folder.run("down").returncode == 0
    assert up.wait(60) == 0
    # The worker has ended while the service still answered: it could save its state.
    assert not folder.said("up", "StoreUnreachable")
    assert folder.worker() is None
    assert folder.run("verify").returncode == 0


@pytest.mark.skipif(EFFORT == 1, reason="takes minutes: `make chaos`")
def test_a_killed_service_leaves_nothing_that_the_next_one_does_not_end(folder: Folder) -> None:
    up = folder.start("up")
    wait_for(folder.worker, "the worker", PATIENCE_S)
    abandoned = folder.worker() or 0
    up.send_signal(signal.SIGKILL)
    up.wait()
    folder.start("up")
    wait_for(lambda: folder.worker() not in (None, abandoned), "another worker", PATIENCE_S)
    with pytest.raises(ProcessLookupError):
        os.kill(abandoned, 0)

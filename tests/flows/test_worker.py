"""It runs by itself: from an empty folder, a service, a worker and one condition are enough for a first trigger."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from hub.alone import holder
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from tests.candles.simulators import served
from tests.chaos.processes import EFFORT
from tests.waiting import wait_for

PATIENCE_S = 400.0
BTC = Pair("BTC")
RUNS = """
import asyncio, json, sys
from pathlib import Path
from hub.prefect_server import PrefectServer
PrefectServer(Path(sys.argv[1])).use()
from prefect.client.orchestration import get_client

async def main():
    async with get_client() as client:
        runs = await client.read_flow_runs(limit=200)
        pool = await client.read_work_pool("ticks")
        deployments = await client.read_deployments()
    print(json.dumps({
        "pool": pool.type,
        "deployments": sorted(one.name for one in deployments),
        "states": {run.name: [other.state.name for other in runs if other.name == run.name] for run in runs},
    }))

asyncio.run(main())
"""


class Known(msgspec.Struct):
    """What Prefect's server knows: the type of the pool, the deployments, and the states of the runs by name."""

    pool: str
    deployments: list[str]
    states: dict[str, list[str]]


class Folder:
    """A data folder, and commands on it in processes of their own."""

    def __init__(self, path: Path, exchange: SimulatedExchange, url: str) -> None:
        self.path = path
        self.exchange = exchange
        self.started: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "HUB_DATA_DIR": str(path / "data"),
            "HUB_EXCHANGE_URLS": json.dumps({"binance": url}),
            "HUB_API_PORT": "0",
            "HUB_WITHOUT": "bots,dashboard",
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that goes on."""
        with (self.path / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "app_cli", *arguments], env=self.environment, stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def said(self, name: str, text: str) -> bool:
        """Whether a command has said something."""
        return text in (self.path / f"{name}.log").read_text()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that ends."""
        command = [sys.executable, "-m", "app_cli", *arguments]
        return subprocess.run(
            command, check=False, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S
        )

    def key(self, user: str, *options: str) -> str:
        """A key of a user."""
        created = self.run("keys", "create", user, *options)
        assert created.returncode == 0, created.stderr
        return created.stdout.strip()

    def client(self) -> httpx.Client:
        """A user's client of the service."""
        url = json.loads((self.path / "data" / "service.json").read_text())["url"]
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {self.key('alice')}"}, timeout=PATIENCE_S)

    def triggers(self) -> int:
        """Triggers in the store."""
        return int(json.loads(self.run("status", "--json").stdout)["triggers"])

    def worker(self) -> int | None:
        """The process id of the worker."""
        return holder(self.path / "data", "worker")

    def prefect(self) -> "Known":
        """What Prefect's server knows."""
        command = [sys.executable, "-c", RUNS, str(self.path / "data" / "prefect")]
        answer = subprocess.run(
            command, check=False, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert answer.returncode == 0, answer.stderr
        return msgspec.json.decode(answer.stdout, type=Known)


def registered(client: httpx.Client, condition: str) -> str:
    """The id of a condition that nobody has registered before."""
    answer = client.post("/conditions/register", json={"condition": condition})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["condition_id"])


def first_event(client: httpx.Client) -> dict[str, Any]:
    """The first event of a user's stream."""
    with client.stream("GET", "/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                return dict(json.loads(line.removeprefix("data: ")))
    raise AssertionError("the stream ended without an event")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    exchange = SimulatedExchange([BTC, Pair("ETH")], lambda: time.time_ns() // 1_000_000)
    with served(exchange) as url:
        made = Folder(tmp_path, exchange, url)
        yield made
        for process in reversed(made.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
        made.run("down")


def test_a_registration_is_all_that_a_first_trigger_needs_and_a_killed_worker_goes_on(folder: Folder) -> None:
    up = folder.start("up")
    wait_for(lambda: folder.said("up", "every close is judged"), "the service", PATIENCE_S)
    with folder.client() as client:
        nowhere = registered(client, "NOPEUSDT 1m: close > 1")
        wanted = registered(client, "BTCUSDT 1m: every(rsi(14) > 0)")
        subscription = {"bot_id": "first", "condition_id": wanted, "bot_type": "dca", "bot_config": {}}
        assert client.post("/conditions/subscribe", json=subscription).status_code == 201
        event = first_event(client)
        assert (event["condition_id"], event["symbol"]) == (wanted, "BTCUSDT")
        (right,) = folder.exchange.candles(BTC, "1m", event["open_time"], event["close_time"])
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

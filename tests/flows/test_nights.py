"""What goes on beside the ticks of a whole hub: failures are told, nightly flows have processes of their own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from common.settings import Settings
from hub.alone import holder
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from registry.store import open_configured
from registry.store.protocol import Store
from tests.candles.simulators import served
from tests.chaos.processes import EFFORT
from tests.waiting import wait_for

PATIENCE_S = 400.0

RUN = """
import asyncio, json, sys
from pathlib import Path
from hub.prefect_server import PrefectServer
PrefectServer(Path(sys.argv[1])).use()
from prefect.client.orchestration import get_client
from prefect.deployments import arun_deployment

async def main():
    print(json.dumps({name: (await arun_deployment(name)).state.name for name in sys.argv[2:]}))

asyncio.run(main())
"""


@contextmanager
def receiving() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address, and what is posted to it."""
    posted: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/failed", posted
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(EFFORT == 1, reason="takes minutes: `make chaos`")
def test_a_killed_worker_is_told_and_the_night_goes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, exchange = tmp_path / "data", SimulatedExchange([Pair("BTC")], lambda: time.time_ns() // 1_000_000)
    lock, settings = data / "worker.lock", Settings(data_dir=data)
    with served(exchange) as url, receiving() as (alerts, posted):
        monkeypatch.setenv("HUB_DATA_DIR", str(data))
        monkeypatch.setenv("HUB_EXCHANGE_URLS", json.dumps({"binance": url}))
        monkeypatch.setenv("HUB_ALERT_URL", alerts)
        monkeypatch.setenv("HUB_API_PORT", "0")
        monkeypatch.setenv("HUB_WITHOUT", "bots")
        with (tmp_path / "up.log").open("wb") as log:
            up = subprocess.Popen([sys.executable, "-m", "app_cli", "up"], stdout=log, stderr=log)
        try:
            wait_for((data / "service.json").exists, "the service", PATIENCE_S)
            for command in (
                ["instruments", "add", "BTCUSDT"],
                ["conditions", "register", "BTCUSDT 1m: every(rsi(14) > 0)"],
            ):
                subprocess.run([sys.executable, "-m", "app_cli", *command], check=True, capture_output=True)
            with open_configured(settings) as store:
                wait_for(lambda: store.triggers.last_seq() > 0, "a trigger", PATIENCE_S)
                _kill_in_the_middle_of_a_run(lock)
                wait_for(lambda: _crashed(store), "the crash to be recorded", PATIENCE_S)
                wait_for(lambda: posted, "the alert", PATIENCE_S)
                wait_for(lambda: not _failing(store), "the next ticks", PATIENCE_S)
                done = subprocess.run(
                    [sys.executable, "-c", RUN, str(data / "prefect"), "audit/nightly", "upkeep/nightly"],
                    check=True,
                    capture_output=True,
                    timeout=PATIENCE_S,
                )
                assert json.loads(done.stdout) == {"audit/nightly": "Completed", "upkeep/nightly": "Completed"}
                audit = store.runs.audits(1)[0]
                assert audit.triggers > 0
                assert audit.differences == 0
                assert len(list((data / "backups").iterdir())) == 1
                assert not {"audit/nightly", "upkeep/nightly"} & _failing(store)
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(100)
    assert posted[0]["state"] == "Crashed"
    assert posted[0]["message"] == "the worker that ran it was killed"


def _kill_in_the_middle_of_a_run(lock: Path) -> None:
    """A run of 1m begins three seconds before each close, and sleeps until then."""
    wait_for(lambda: 58.5 < time.time() % 60 < 59.9, "the end of a minute", 120)
    worker = holder(lock.parent, "worker")
    assert worker is not None
    os.kill(worker, signal.SIGKILL)


def _crashed(store: Store) -> bool:
    return any(failure.state == "Crashed" for failure in store.runs.failures(100))


def _failing(store: Store) -> set[str]:
    return {failure.deployment for failure in store.runs.failing()}

"""A bot that was created over HTTP acts on a trigger of a real `hub up`, also after its process was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from common.clock import ReplayClock
from common.settings import Settings
from common.timeframes import DURATION_MS, from_ms
from condition_hub.bot_results import BotAction, BotOrder
from hub.hub_processes import HubProcess, processes_of
from registry.client import HubClient
from registry.keys import new_key
from registry.store import open_configured
from registry.store.protocol import Store
from tests.api.served_hub import record_tick
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
HOUR = DURATION_MS["1h"]
PATIENCE_S = 120.0
BOT: dict[str, Any] = {
    "bot_id": "b1", "bot_type": "dca", "symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 100,
    "entryConditions": ["rsi(14) < 30"], "exitConditions": ["rsi(14) > 70"],
}  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A running hub without worker and dashboard."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("HUB_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    data, log = tmp_path / "data", tmp_path / "log"
    command = [sys.executable, "-m", "app_cli", "up", "--data", str(data), "--port", "0"]
    with log.open("wb") as out:
        started = subprocess.Popen([*command, "--without", "worker,dashboard"], stdout=out, stderr=out)

    def serves() -> bool:
        assert started.poll() is None, log.read_text()
        return b"bots are run as users create them: hub bots create FILE" in log.read_bytes()

    wait_for(serves, "the service to answer", PATIENCE_S)
    yield Settings(data_dir=data)
    started.terminate()
    started.wait(PATIENCE_S)
    assert processes_of(data) == [], "nothing is left behind"


def runner(hub: Settings) -> HubProcess | None:
    return next((each for each in processes_of(hub.data_dir) if each.name == "bots"), None)


def fire(store: Store, clock: ReplayClock, condition_id: str) -> None:
    """Close the next hour, and let a condition fire on it."""
    marks = store.ticks.watermarks("1h")
    open_ms = max(marks.values(), default=clock.now_ms())
    prices = {name: [50_000.0] for name in ("open", "high", "low", "close")}
    candle = {"exchange": ["BINANCE"], "symbol": ["BTCUSDT"], "timeframe": ["1h"], "open_time": [from_ms(open_ms)]}
    frame = pl.DataFrame({**candle, **prices, "volume": [1_000.0]})
    store.candles.upsert(frame.with_columns(pl.col("open_time").dt.cast_time_unit("ms")))
    record_tick(store, clock, (condition_id,), before_ms=open_ms)


def test_a_bot_acts_on_triggers_of_a_running_hub(hub: Settings) -> None:
    clock = ReplayClock(time.time_ns() // 1_000_000 // HOUR * HOUR)
    key, text = new_key("ann", "user", "", 5)
    with open_configured(hub) as store:
        store.accounts.add_key(key)
        past = [from_ms(clock.now_ms() - back * HOUR) for back in range(20, 0, -1)]
        frame = pl.DataFrame({"exchange": "BINANCE", "symbol": "BTCUSDT", "timeframe": "1h", "open_time": past})
        values = [pl.lit(50_000.0).alias(name) for name in ("open", "high", "low", "close", "volume")]
        store.candles.upsert(frame.with_columns(pl.col("open_time").dt.cast_time_unit("ms"), *values))
        service = next(each for each in processes_of(hub.data_dir) if each.name == "hub")
        with HubClient(service.url, text, patience_s=PATIENCE_S) as client:
            bot = client.create_bot(BOT)
            entry, leave = (one.condition_id for one in bot.conditions)
            fire(store, clock, entry)
            wait_for(lambda: list(client.done_by_bot("b1", BotOrder)), "the bot to enter", PATIENCE_S)
            first = runner(hub)
            assert first is not None
            os.kill(first.pid, signal.SIGKILL)
            fire(store, clock, leave)
            wait_for(lambda: len(list(client.done_by_bot("b1", BotOrder))) == 2, "the bot to leave", PATIENCE_S)
            later = runner(hub)
            assert later is not None
            assert later.pid != first.pid
            assert [order.side for order in client.done_by_bot("b1", BotOrder)] == ["sell", "buy"]
            assert [(one.role, one.orders) for one in client.done_by_bot("b1", BotAction)] == [
                ("exit", 1),
                ("entry", 1),
            ]
            client.tell_bot("b1", "stop")
            fire(store, clock, entry)
            wait_for(lambda: client.bot("b1").life == "ended", "the bot to close", PATIENCE_S)
            assert len(list(client.done_by_bot("b1", BotOrder))) == 2

"""`hub live`: a market that runs sixty times as fast, a real `hub up` on it, and nothing left at the end."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import websockets

import app_cli
from common.timeframes import DURATION_MS
from hub.demo.compressed_exchange import CompressedExchange
from hub.demo.live import BOTS
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from hub.hub_processes import processes_of
from tests.candles.simulators import served

ROOT = Path(__file__).resolve().parents[3]
MINUTE, HOUR = DURATION_MS["1m"], DURATION_MS["1h"]
ORIGIN = 480_000 * HOUR
NOW = ORIGIN + 7 * MINUTE + 30_000
BTC = Pair("BTC")


def test_a_minute_is_an_hour_of_the_market() -> None:
    exchange = CompressedExchange([BTC], lambda: NOW, origin_ms=ORIGIN)
    minutes = exchange.candles(BTC, "1m", ORIGIN, NOW)
    hours = SimulatedExchange([BTC], lambda: ORIGIN + 1000 * HOUR).candles(BTC, "1h", ORIGIN, ORIGIN + 7 * HOUR)
    assert [each.open_ms for each in minutes] == [ORIGIN + n * MINUTE for n in range(8)]
    assert [each.close_ms - each.open_ms for each in minutes] == [MINUTE] * 8
    assert [each.values for each in minutes[:7]] == [each.values for each in hours]
    assert [each.closed for each in minutes] == [True] * 7 + [False]


def test_longer_candles_are_made_of_its_minutes() -> None:
    exchange = CompressedExchange([BTC], lambda: NOW, origin_ms=ORIGIN)
    minutes = exchange.candles(BTC, "1m", ORIGIN, ORIGIN + 5 * MINUTE)
    (five,) = exchange.candles(BTC, "5m", ORIGIN, ORIGIN + 1)
    opened, high, low, close, _ = five.values
    assert (opened, close) == (minutes[0].values[0], minutes[-1].values[3])
    assert (high, low) == (max(each.values[1] for each in minutes), min(each.values[2] for each in minutes))


async def test_its_websockets_push_hours_that_take_a_minute() -> None:
    now = [ORIGIN + 7 * MINUTE - 200]
    exchange = CompressedExchange([BTC], lambda: now[0], origin_ms=ORIGIN)
    with served(exchange) as url:
        async with asyncio.timeout(30), websockets.connect(f"ws{url.removeprefix('http')}/stream/ws/0") as connected:
            await connected.send(json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1}))
            assert json.loads(await connected.recv()) == {"result": None, "id": 1}
            now[0] += 1_000
            pushed = (json.loads(await connected.recv()) for _ in range(1_000))
            final = await anext(message["k"] async for message in pushed if message["k"]["x"])
    (minute,) = exchange.candles(BTC, "1m", ORIGIN + 6 * MINUTE, ORIGIN + 7 * MINUTE)
    assert (final["t"], tuple(float(final[name]) for name in "ohlcv")) == (minute.open_ms, minute.values)


def live(data: Path, seconds: int, without: str) -> str:
    environment = {**os.environ, "HUB_WITHOUT": without, "PYTHONPATH": str(ROOT), "HUB_DASHBOARD_PORT": "0"}
    command = [sys.executable, "-m", "app_cli", "live", "--for", f"{seconds}s", "--data", str(data)]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=seconds + 200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes_of(data) == []
    assert "Traceback" not in done.stderr
    return done.stdout


def test_it_comes_up_registers_what_bots_want_and_ends(tmp_path: Path) -> None:
    said = live(tmp_path / "data", 1, "worker,dashboard")
    assert f"{len(BOTS)} bots of 3 users wait for 8 conditions, 7 different ones" in said
    assert "0 triggers reached the bots; everything ends now" in said
    assert '"status": 201' in (tmp_path / "data" / "hub.log").read_text()


@pytest.mark.skipif("HUB_TEST_EFFORT" not in os.environ, reason="takes three minutes: make chaos")
def test_its_triggers_reach_the_bots(tmp_path: Path) -> None:
    said = live(tmp_path / "data", 180, "")
    assert re.search(r"^\d\d:\d\d \+\d+\.\d s  carol  ETHUSDT at [\d.,]+  every\(close < open\)$", said, re.MULTILINE)


def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert app_cli.run(["live", "--for", "soon"]) == 1
    assert "write 60s or 5min" in capsys.readouterr().err

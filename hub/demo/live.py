"""The live system on this machine alone: a simulated exchange, a real `hub up`, users' bots, and their triggers."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from common.clock import SystemClock
from common.errors import ServiceError
from common.settings import Settings
from common.timeframes import DURATION_MS, from_ms
from hub.demo.compressed_exchange import CompressedExchange
from hub.demo.simulated_market import Pair
from hub.hub_processes import processes_of
from registry.client import AsyncHubClient, Trigger
from registry.instruments import Instrument, Listing
from registry.keys import new_key
from registry.store import open_configured
from registry.store.owner import running

_PAIRS = (Pair("BTC"), Pair("ETH"), Pair("SOL"), Pair("XRP"))
_START_S = 120.0
_STOP_S = 90.0


@dataclass(frozen=True)
class LiveBot:
    """A bot of a user, and the conditions that it waits for."""

    user: str
    name: str
    conditions: tuple[str, ...]


BOTS = (
    LiveBot("alice", "dca-1", ("BTCUSDT 1m: rsi(14) < 40", "ETHUSDT 1m: close crosses_below sma(20)")),
    LiveBot("alice", "trend-1", ("SOLUSDT 1m: ema(9) crosses_above ema(21)", "BTCUSDT 1m: close rising 2 bars")),
    LiveBot("bob", "grid-1", ("BTCUSDT 1m: rsi(14) < 40", "XRPUSDT 1m: every(close > open)")),
    LiveBot("carol", "dca-7", ("ETHUSDT 1m: every(close < open)", "BTCUSDT 5m: close > ema(9)")),
)
"""Some want the same. An hour of the market's time is a minute here, so every minute something fires."""


def live(settings: Settings, say: Callable[[str], object], *, for_s: float | None = None) -> int:
    """Run everything in the data folder of the settings until Ctrl-C, or for some seconds; returns how many triggers
    the bots got.

    Raises :class:`common.errors.ServiceError` if the hub does not come up.
    """
    with _exchange() as url, _hub(settings, url) as api:
        keys = _prepare(settings)
        say(f"The hub serves {api}; its log is {_log(settings.data_dir)}")
        dashboard = next((each.url for each in processes_of(settings.data_dir) if each.name == "dashboard"), None)
        if dashboard is not None:
            say(f"Dashboard: {dashboard}")
        say(f"More: hub status --data {settings.data_dir}")
        received: list[Trigger] = []
        with suppress(KeyboardInterrupt):
            asyncio.run(_watch(api, keys, say, received, for_s))
        say(f"{len(received)} triggers reached the bots; everything ends now")
    return len(received)


@contextmanager
def _exchange() -> Iterator[str]:
    """A simulated exchange on loopback; its address."""
    clock = SystemClock()
    origin_ms = clock.now_ms() // DURATION_MS["1h"] * DURATION_MS["1h"]
    exchange = CompressedExchange(_PAIRS, clock.now_ms, origin_ms=origin_ms)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(exchange, log_level="warning", lifespan="off"))
        serving = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="exchange")
        serving.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            serving.join()


@contextmanager
def _hub(settings: Settings, exchange_url: str) -> Iterator[str]:
    """A real `hub up`, whose candles come from the simulated exchange; the address of its API."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "HUB_DATA_DIR": str(settings.data_dir),
        "HUB_EXCHANGE_URLS": json.dumps({"binance": exchange_url}),
        "HUB_WITHOUT": ",".join(settings.without),
        "HUB_API_PORT": "0",
    }
    with os.fdopen(os.open(_log(settings.data_dir), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        # Ctrl-C is meant for this process, which then stops the hub in order.
        hub = subprocess.Popen(
            [sys.executable, "-m", "app_cli", "up"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_S
        while (here := running(settings.data_dir)) is None:
            if hub.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"the hub did not come up; its log is {_log(settings.data_dir)}")
            time.sleep(0.1)
        yield here.url
    finally:
        hub.send_signal(signal.SIGTERM)
        try:
            hub.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            hub.kill()
            hub.wait()


def _prepare(settings: Settings) -> dict[str, str]:
    """Make the instruments known and a key for each user; user -> key."""
    keys: dict[str, str] = {}
    with open_configured(settings) as store:
        store.candles.list_instruments([Listing(Instrument("BINANCE", pair.base + pair.quote)) for pair in _PAIRS])
        for user in dict.fromkeys(bot.user for bot in BOTS):
            key, keys[user] = new_key(user, "user", "live demo", SystemClock().now_ms())
            store.accounts.add_key(key)
    return keys


async def _watch(
    api: str, keys: dict[str, str], say: Callable[[str], object], received: list[Trigger], for_s: float | None
) -> None:
    """Register what the bots want, and show what they get."""
    texts: dict[str, str] = {}
    for user, key in keys.items():
        async with AsyncHubClient(api, key) as client:
            for bot in BOTS:
                for condition in bot.conditions if bot.user == user else ():
                    registered = await client.register_condition(condition)
                    texts[registered.condition_id] = condition
                    await client.subscribe_bot(bot.name, registered.condition_id, "demo", {})
    asked = sum(len(bot.conditions) for bot in BOTS)
    say(f"{len(BOTS)} bots of {len(keys)} users wait for {asked} conditions, {len(texts)} different ones")
    say("Candles close every minute; the worker needs up to a minute to be ready. Ctrl-C ends everything.")

    async def follow(user: str, key: str) -> None:
        async with AsyncHubClient(api, key) as client:
            async for trigger in client.triggers(after_seq=0):
                received.append(trigger)
                closed, delay_s = from_ms(trigger.close_time), (trigger.emitted_at - trigger.close_time) / 1000
                say(
                    f"{closed:%H:%M} +{delay_s:.1f} s  {user:<6} {trigger.symbol} at {trigger.price:,.2f}"
                    f"  {texts[trigger.condition_id].partition(': ')[2]}"
                )

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(user, key)) for user, key in keys.items()]
        if for_s is not None:
            await asyncio.sleep(for_s)
            for task in tasks:
                task.cancel()


def _log(data_dir: Path) -> Path:
    return data_dir / "hub.log"

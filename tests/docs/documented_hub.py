"""The hub of the pages: ``hub up`` as a process, with candles, a bot that was subscribed in time, and its triggers."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from candles.sample import SAMPLE_FILES
from common.clock import ReplayClock
from common.settings import Settings
from common.timeframes import to_ms
from events.opening import open_log
from flows.advance import advance
from flows.runtime import Runtime
from registry import Condition
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.accounts import Role
from registry.store.parts.registry import SubscriptionRequest
from registry.subscriptions import DeliveryPolicy
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
START, STOP = datetime(2024, 8, 5, tzinfo=UTC), datetime(2024, 8, 6, tzinfo=UTC)
_PATIENCE_S = 60


@contextmanager
def documented_hub(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a shell of alice, a user, who knows the key of an operator too."""
    keys = fill(folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")} | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HUB_DATA_DIR": str(folder),
        "HUB_API_PORT": "0",
        "HUB_WITHOUT": "worker,dashboard",
    }
    with served(folder, environment) as url:
        yield environment | {
            "HUB": url,
            "HUB_API_URL": url,
            "HUB_API_KEY": keys["alice"],
            "AUTH": f"Authorization: Bearer {keys['alice']}",
            "OPERATOR": f"Authorization: Bearer {keys['olga']}",
        }


def fill(folder: Path) -> dict[str, str]:
    """A data folder in which a day was judged; the keys of its users."""
    clock = ReplayClock(to_ms(START))
    candles = pl.concat([pl.read_parquet(path) for path in SAMPLE_FILES]).filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]) & (pl.col("timeframe") == "1h") & (pl.col("open_time") < STOP)
    )
    condition = Condition.parse("BTCUSDT 1h: rsi(14) < 30")
    with FileStore(folder / "store", clock=clock) as store, open_log(Settings(_env_file=None, data_dir=folder)) as log:
        store.candles.upsert(candles.select(pl.lit("BINANCE").alias("exchange"), pl.all()))
        store.registry.register([condition], active_from_ms=clock.now_ms())
        request = SubscriptionRequest(
            "alice", "grid_bot_7", condition.id, "grid", {}, DeliveryPolicy(while_true=True, expires_ms=4 * 10**12)
        )
        store.registry.subscribe([request], active_from_ms=clock.now_ms())
        asyncio.run(advance(Runtime(store, log, clock), "1h", to_ms(STOP)))
        roles: dict[str, Role] = {"alice": "user", "olga": "operator"}
        made = {name: new_key(name, role, "", clock.now_ms()) for name, role in roles.items()}
        for key, _ in made.values():
            store.accounts.add_key(key)
    return {name: text for name, (_, text) in made.items()}


@contextmanager
def served(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """``hub up``; its address."""
    log = folder / "up.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(["hub", "up"], env=environment, cwd=folder, stderr=stderr)
    try:
        wait_for(lambda: "serves http" in log.read_text() or process.poll() is not None, "hub up", _PATIENCE_S)
        words = log.read_text().split()
        assert "serves" in words, log.read_text()
        yield words[words.index("serves") + 1]
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)

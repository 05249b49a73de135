"""Stores for the dashboard: one that was judged, one without ticks, one without conditions; and the app on them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.savings import calibrate
from common.clock import ReplayClock
from common.timeframes import to_ms
from flows.runtime import Runtime
from flows.ticking import run_tick
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from tests.events.log.memory_log import MemoryLog

APP = Path(__file__).parents[2] / "dashboard" / "script" / "main.py"
FIRST, ACTIVE, LAST = (datetime(2024, month, day, tzinfo=UTC) for month, day in ((7, 1), (8, 4), (8, 7)))

CROSSING = "BTCUSDT 1h: rsi(14) crosses_below 30"
ZONES = "ETHUSDT 1h: bbands(20, 2).bandwidth <= 0.04 and rsi(14) >= 30 and rsi(14) <= 70"
BREAKOUT = "BTCUSDT 1h: close >= highest(20) and volume > sma(20, volume)"
NEVER = "ETHUSDT 1h: close > 1000000"
UNWANTED = "BTCUSDT 1h: atr(14) > atr(100)"


@dataclass
class Judged:
    """The folder of a store with ticks, and the ids of its conditions by their text."""

    folder: Path
    ids: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory, sample: pl.DataFrame) -> Judged:
    """Two series around the crash, five conditions, three users' bots, three days of 1h ticks. Closed: read it only."""
    made = Judged(tmp_path_factory.mktemp("judged"))
    clock = ReplayClock(to_ms(ACTIVE))
    with FileStore(made.folder / "store", clock=clock) as store:
        store.candles.upsert(_candles(sample))
        conditions = [Condition.parse(text) for text in (CROSSING, ZONES, BREAKOUT, NEVER, UNWANTED)]
        made.ids = dict(
            zip((CROSSING, ZONES, BREAKOUT, NEVER, UNWANTED), (condition.id for condition in conditions), strict=True)
        )
        store.registry.register(conditions, active_from_ms=to_ms(ACTIVE))
        store.registry.subscribe(
            [
                SubscriptionRequest(f"secret-user-{user}", f"secret-bot-{user}", condition.id, "dca", {"secret": user})
                for user in range(3)
                for condition in conditions[: 4 - user]
            ],
            active_from_ms=to_ms(ACTIVE),
        )
        done = asyncio.run(run_tick(Runtime(store, MemoryLog(), clock), "run", "1h", to_ms(LAST)))
        assert done.ticks == 72
        assert done.triggers > 0
        calibrate(store, conditions, at_ms=to_ms(LAST), sample=5)
    return made


@pytest.fixture
def without_ticks(tmp_path: Path, sample: pl.DataFrame) -> Path:
    """A data folder whose store has candles and one condition that was never judged."""
    with FileStore(tmp_path / "store", clock=ReplayClock(to_ms(ACTIVE))) as store:
        store.candles.upsert(_candles(sample))
        store.registry.register([Condition.parse(CROSSING)], active_from_ms=to_ms(ACTIVE))
    return tmp_path


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A data folder with an empty store."""
    FileStore(tmp_path / "store").close()
    return tmp_path


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., AppTest]:
    """Open a page of the app on a data folder."""
    # So that no `.env` of the working directory is read.
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HUB_STORE_URL", raising=False)

    def open_page(data_dir: Path, page: str = "savings", **query: str) -> AppTest:
        monkeypatch.setenv("HUB_DATA_DIR", str(data_dir))
        st.cache_data.clear()
        st.cache_resource.clear()
        app = AppTest.from_file(APP, default_timeout=60)
        app.run()
        if page != "savings":
            app.switch_page(f"../pages/{page}.py")
            for name, value in query.items():
                app.query_params[name] = value
            app.run()
        return app

    return open_page


def _candles(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(FIRST, LAST, closed="left")
    )

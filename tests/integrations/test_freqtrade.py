"""freqtrade trades on conditions of the hub as it does on TA-Lib's indicators."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from common.clock import Clock, SystemClock
from common.slots import slots_of
from common.timeframes import from_ms
from flows.ingest import Ingest
from flows.runtime import Runtime
from flows.ticking import run_tick
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Pair
from registry.conditions import Condition
from tests.api.served_hub import Hub
from tests.candles.simulators import served
from tests.integrations.freqtrade_run import (
    backtest,
    environment,
    freqtrade_program,
    trading,
    write_candles,
    write_config,
)
from tests.waiting import wait_for

PAIRS = ["BTC/USDT", "ETH/USDT"]
TWO_MONTHS = Path(__file__).parents[2].parent / "shared" / "data" / "binance_spot_5m_2024.parquet"
COMPARED = ("pair", "open_date", "close_date", "open_rate", "close_rate", "exit_reason", "profit_abs", "enter_tag")


@pytest.fixture
def candles(sample: pl.DataFrame) -> pl.DataFrame:
    """Two months of 5m candles where they are; otherwise the month that ships with the project."""
    if not TWO_MONTHS.is_file():
        return sample
    return pl.read_parquet(TWO_MONTHS).select(pl.lit("BINANCE").alias("exchange"), pl.all())


def test_every_trade_of_a_backtest_is_the_one_with_talib(tmp_path: Path, candles: pl.DataFrame) -> None:
    freqtrade_program()
    chosen = candles.filter(
        pl.col("symbol").is_in([pair.replace("/", "") for pair in PAIRS]) & (pl.col("timeframe") == "5m")
    )
    write_candles(tmp_path / "data", chosen, PAIRS, "5m")
    first, last = chosen["open_time"].dt.epoch("ms").min(), chosen["open_time"].dt.epoch("ms").max()
    begin, end = (from_ms(int(cast(int, time_ms))) for time_ms in (first, last))
    timerange = f"{begin + timedelta(days=3):%Y%m%d}-{end:%Y%m%d}"
    exchange = SimulatedExchange([Pair("BTC"), Pair("ETH")], lambda: 1_726_000_000_000)
    with served(exchange) as exchange_url, Hub(tmp_path / "hub", chosen) as hub:
        config = write_config(tmp_path, exchange_url, PAIRS, "5m")
        env = environment(hub.url, hub.key("freqtrade"))
        trades = backtest(tmp_path, config, tmp_path / "data", ["HubRsi", "TalibRsi"], timerange, env)
    through, alone = ([[trade[name] for name in COMPARED] for trade in one] for one in trades.values())
    assert len(alone) > 50
    assert through == alone


@contextmanager
def judged(hub: Hub, clock: Clock, ingest: Ingest) -> Iterator[None]:
    """Every 1m close is judged, as the worker does it, until the end of the block."""
    runtime, slots, ends = Runtime(hub.store, hub.log, clock, ingest), slots_of("1m"), threading.Event()

    def run() -> None:
        while not ends.is_set():
            close_ms = int(slots.close(slots.number(clock.now_ms())))
            if not ends.wait((close_ms - clock.now_ms()) / 1000 + 0.05):
                asyncio.run(run_tick(runtime, str(close_ms), "1m", close_ms))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def closed_trades(database: Path) -> list[tuple[str, str, str, str, str]]:
    """Pair, when it was opened and closed, and the tags, of the trades that are over."""
    if not database.is_file():
        return []
    query = "SELECT pair, open_date, close_date, enter_tag, exit_reason FROM trades WHERE is_open = 0"
    try:
        with closing(sqlite3.connect(database)) as opened:
            return opened.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_dry_run_enters_and_exits_on_triggers_and_reads_candles_through_the_hub(tmp_path: Path) -> None:
    freqtrade_program()
    clock = SystemClock()
    exchange = SimulatedExchange([Pair("BTC"), Pair("ETH")], clock.now_ms)
    with served(exchange) as exchange_url:
        settings: dict[str, Any] = {"exchange_urls": {"binance": exchange_url}, "exchange_readers": ("freqtrade",)}
        with (
            Hub(tmp_path / "hub", clock=clock, markets=True, **settings) as hub,
            Ingest(hub.store, clock, hub.settings) as ingest,
            judged(hub, clock, ingest),
        ):
            key = hub.key("freqtrade")
            address = f"{hub.url.replace('http://', f'http://hub:{key}@')}/exchange/binance"
            config = write_config(tmp_path, address, PAIRS, "1m", "/ws")
            with trading(tmp_path, config, "HubTurns", environment(hub.url, key)) as database:
                wait_for(lambda: closed_trades(database), "a trade that is over", 900)
            trades = closed_trades(database)
            fired = {
                (row["symbol"], row["condition_id"], row["close_time"])
                for row in hub.store.triggers.after(0, 10_000).iter_rows(named=True)
            }
    for pair, opened, ended, enter_tag, exit_reason in trades:
        assert (enter_tag, exit_reason) == ("rose", "fell")
        for text, at in (("every(close > open)", opened), ("every(close < open)", ended)):
            close = datetime.fromisoformat(at).replace(second=0, microsecond=0, tzinfo=UTC)
            condition = Condition.parse({"symbol": f"BINANCE:{pair}", "timeframe": "1m", "when": text})
            assert (pair.replace("/", ""), condition.id, close) in fired

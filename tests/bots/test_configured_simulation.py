"""Bots from whole configurations, on frames and on stores, with the real candles of the crash of 5 August 2024."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis import scan
from bots.configured_simulation import simulate_bot
from bots.dca import DcaBot
from bots.definition import define_bot
from bots.simulation import Simulation, simulate
from common.errors import BotConfigError, CandlesMissing, TimeFormatError
from common.timeframes import to_ms
from hub.demo.acting_bots import ACTING
from registry.store import open_store
from registry.store.protocol import Store

START, END = datetime(2024, 8, 4, tzinfo=UTC), datetime(2024, 8, 7, tzinfo=UTC)
OVERSOLD = "BTCUSDT 1h: rsi(14) crosses_below 30"


@pytest.fixture(scope="module")
def bitcoin(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter(pl.col("symbol") == "BTCUSDT")


@pytest.fixture(scope="module")
def store(bitcoin: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("simulated")
    with open_store(f"duckdb:{folder / 'store'}") as opened:
        opened.candles.upsert(bitcoin)
        yield opened


def frames(simulation: Simulation[Any]) -> dict[str, list[dict[str, Any]]]:
    names = ("deals", "orders", "fills", "equity", "notes")
    return {name: getattr(simulation, name).to_dicts() for name in names}


@pytest.mark.parametrize("kind", ACTING)
def test_a_store_and_a_frame_give_the_same(kind: str, bitcoin: pl.DataFrame, store: Store) -> None:
    on_frame, on_store = (
        simulate_bot(ACTING[kind], candles, kind=kind, since=START, until=END) for candles in (bitcoin, store)
    )
    assert on_frame.state == on_store.state
    assert on_frame.account == on_store.account
    assert frames(on_frame) == frames(on_store)
    assert on_frame.fills.height


def test_it_is_the_simulation_of_its_parts(bitcoin: pl.DataFrame) -> None:
    defined = define_bot(ACTING["dca"], "dca")
    machine = DcaBot("dca", defined.definition.config, defined.definition.market(None))  # type: ignore[arg-type]
    by_hand = simulate(machine, bitcoin, [(OVERSOLD, "entry")], since_ms=to_ms(START), until_ms=to_ms(END))
    whole = simulate_bot(ACTING["dca"], bitcoin, kind="dca", since="2024-08-04", until="2024-08-07T00:00Z")
    assert frames(whole) == frames(by_hand)


def test_a_bot_sees_the_candles_of_its_time_and_indicators_all(bitcoin: pl.DataFrame) -> None:
    simulation = simulate_bot(ACTING["dca"], bitcoin, kind="dca", since=START, until=to_ms(END))
    times = simulation.equity["time"]
    assert (times[0], times[-1], times.len()) == (START.replace(minute=5), END, 3 * 288)
    fired = scan(OVERSOLD, bitcoin)["close_time"].to_list()
    assert simulation.orders["time"][0] == next(time for time in fired if time > START)


def test_recorded_triggers_take_the_place_of_a_scan(bitcoin: pl.DataFrame) -> None:
    bots = [
        simulate_bot(ACTING["dca"], bitcoin, kind="dca", since=START, until=END, triggers=triggers)
        for triggers in (None, scan(OVERSOLD, bitcoin), scan(OVERSOLD, bitcoin).clear())
    ]
    assert frames(bots[0]) == frames(bots[1])
    assert bots[2].orders.is_empty()


def test_of_several_markets_one_has_to_be_named(sample: pl.DataFrame) -> None:
    config = {**ACTING["dca"], "symbol": None, "pairs": ["BTCUSDT", "ETHUSDT"]}
    del config["symbol"]
    with pytest.raises(BotConfigError, match="choose one of BINANCE:BTCUSDT, BINANCE:ETHUSDT"):
        simulate_bot(config, sample, kind="dca")
    with pytest.raises(BotConfigError, match="does not trade BINANCE:SOLUSDT; it trades BINANCE:BTCUSDT"):
        simulate_bot(config, sample, kind="dca", symbol="SOLUSDT")
    simulation = simulate_bot(config, sample, kind="dca", symbol="eth/usdt", since=START, until=END)
    assert str(simulation.series) == "BINANCE:ETHUSDT 5m"


def test_what_is_missing_is_said(bitcoin: pl.DataFrame, store: Store) -> None:
    with pytest.raises(CandlesMissing, match="no candle of BINANCE:BTCUSDT 5m closes in that time"):
        simulate_bot(ACTING["dca"], bitcoin, kind="dca", since="2030-01-01")
    for config in (
        {**ACTING["dca"], "symbol": "ETHUSDT"},
        {**ACTING["dca"], "entryConditions": ["ETHUSDT 1h: rsi < 30"]},
    ):
        with pytest.raises(CandlesMissing, match="no candles of BINANCE:ETHUSDT"):
            simulate_bot(config, store, kind="dca")
    with pytest.raises(BotConfigError, match="bot_type is missing"):
        simulate_bot(ACTING["dca"], bitcoin)
    with pytest.raises(TimeFormatError):
        simulate_bot(ACTING["dca"], bitcoin, kind="dca", since="yesterday")

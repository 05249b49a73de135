"""Instruments are known by their candles or by a listing; conditions on them can be registered either way."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from common.errors import InstrumentError
from registry.conditions import Condition
from registry.instruments import Instrument, Listing
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt

BTC, ETH = Instrument("BINANCE", "BTCUSDT"), Instrument("BINANCE", "ETHUSDT")
FULL = Listing(BTC, ("XBTUSDT", "BTCUSD"), 0.01, 0.00001, 1_502_942_400_000, "24x7")


def test_what_is_listed_is_known_and_kept(open_at: OpenAt, tmp_path: Path) -> None:
    with open_at(tmp_path) as store:
        assert store.candles.list_instruments([FULL, Listing(ETH, calendar="sessions")]) == 2
        assert store.candles.list_instruments([FULL]) == 0
        assert store.candles.list_instruments([replace(FULL, tick_size=0.1)]) == 1
        assert store.candles.list_instruments([]) == 0
    with open_at(tmp_path) as store:
        assert store.candles.listings() == [replace(FULL, tick_size=0.1), Listing(ETH, calendar="sessions")]
        assert store.candles.instruments() == [BTC, ETH]
        assert store.candles.calendars() == {"BINANCE:BTCUSDT": "24x7", "BINANCE:ETHUSDT": "sessions"}


def test_a_condition_can_wait_for_candles(store: Store, sample: pl.DataFrame) -> None:
    condition = Condition.parse("BTCUSDT 1h: rsi(14) < 30")
    with pytest.raises(InstrumentError, match="no instruments are known"):
        store.registry.register([condition], active_from_ms=0)
    store.candles.list_instruments([FULL])
    assert store.registry.register([condition], active_from_ms=0)[0].created
    assert store.candles.names() == set()
    hours = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).head(3)
    store.candles.upsert(hours)
    assert store.candles.listings() == [FULL], "candles change nothing of what is listed"


def test_another_name_is_told(store: Store) -> None:
    store.candles.list_instruments([FULL])
    with pytest.raises(InstrumentError, match=r"XBTUSDT is another name for BINANCE:BTCUSDT; write BINANCE:BTCUSDT"):
        store.registry.register([Condition.parse("XBTUSDT 1h: rsi < 30")], active_from_ms=0)
    with pytest.raises(InstrumentError, match="did you mean BINANCE:BTCUSDT"):
        store.registry.register([Condition.parse("KRAKEN:BTCUSDT 1h: rsi < 30")], active_from_ms=0)


@pytest.mark.parametrize("alias", ["XBTUSDT", "BTCUSDT"])
def test_a_name_names_one(store: Store, alias: str) -> None:
    store.candles.list_instruments([FULL])
    with pytest.raises(InstrumentError, match=f"{alias} would name both"):
        store.candles.list_instruments([Listing(ETH, (alias,))])
    assert store.candles.listings() == [FULL]
    elsewhere = Listing(Instrument("KRAKEN", "ETHUSDT"), (alias,))
    assert store.candles.list_instruments([elsewhere]) == 1, "another exchange has names of its own"


@pytest.mark.parametrize("size", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("field", ["tick_size", "lot_size"])
def test_sizes_are_above_0(field: str, size: float) -> None:
    with pytest.raises(InstrumentError, match=field):
        replace(FULL, **{field: size})  # type: ignore[arg-type]


def test_instruments_of_candles_have_the_plainest_listing(store: Store, sample: pl.DataFrame) -> None:
    store.candles.upsert(sample.filter((pl.col("symbol") == "ETHUSDT") & (pl.col("timeframe") == "1h")).head(3))
    assert store.candles.listings() == [Listing(ETH)]
    store.candles.set_calendar(ETH, "sessions")
    assert store.candles.listings() == [Listing(ETH, calendar="sessions")]

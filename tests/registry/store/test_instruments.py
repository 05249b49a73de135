"""Instruments are known by their candles or by a listing; conditions on them can be registered either way."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from common.errors import InstrumentError
from registry.conditions import Condition
from registry.instruments import Instrument, Listing
from registry.naming import CANONICAL, reading
from registry.store.files.file_store import FileStore
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


def test_an_alias_is_read_through_the_directory_and_refused_without(store: Store) -> None:
    store.candles.list_instruments([FULL])
    with reading(store.candles.directory()):
        condition = Condition.parse("xbtusdt 1h: rsi < 30")
    assert condition == Condition.parse("BTCUSDT 1h: rsi < 30")
    assert store.registry.register([condition], active_from_ms=0)[0].created
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


KINDS = [
    Listing(Instrument("EX", symbol), aliases, base=base, quote=quote)
    for symbol, aliases, base, quote in (
        ("BTCUSD-20250328:BTC", ("BTC-28MAR25",), "BTC", "USD"),
        ("BTCUSD.P", (), "BTC", "USD"),
        ("BTCUSD.P:BTC", ("BTC-USD-SWAP", "XBT perpetual"), "BTC", "USD"),
        ("M&M", (), None, None),
        ("X/YZ", (), "X", "YZ"),
        ("币安人生USDT", ("M^",), "币安人生", "USDT"),
    )
]


def test_every_kind_is_stored_and_judged_apart(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    hours = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).head(3)
    with reading(CANONICAL):
        conditions = [Condition.parse(f"{one.instrument} 1h: close > close@EX:X/YZ") for one in KINDS]
    assert len({condition.id for condition in conditions}) == len(KINDS)
    with open_at(tmp_path) as store:
        assert store.candles.list_instruments(KINDS) == len(KINDS)
        for one in KINDS:
            named = hours.with_columns(exchange=pl.lit("EX"), symbol=pl.lit(one.instrument.symbol))
            assert store.candles.upsert(named).inserted == 3
        assert all(result.created for result in store.registry.register(conditions, active_from_ms=0))
    with open_at(tmp_path) as store:
        assert store.candles.listings() == KINDS
        assert [store.candles.directory().read(alias, "EX") for one in KINDS for alias in one.aliases] == [
            one.instrument for one in KINDS for _ in one.aliases
        ]
        assert {stored.canonical for stored in store.registry.conditions()} == {one.canonical for one in conditions}


def test_the_directory_is_the_same_until_a_listing_changes(tmp_path: Path, sample: pl.DataFrame) -> None:
    hours = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).head(3)
    with FileStore(tmp_path) as store:
        store.candles.upsert(hours.head(2))
        directory = store.candles.directory()
        store.candles.upsert(hours)
        assert store.candles.directory() is directory
        store.candles.list_instruments([FULL])
        assert store.candles.directory().read("XBTUSDT", "BINANCE") == BTC
        with pytest.raises(InstrumentError):
            store.candles.list_instruments([Listing(ETH, ("XBTUSDT",))])
        assert ETH not in store.candles.directory()

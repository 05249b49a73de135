"""Checkpoints in the store: as they were put in, the last two that an owner saved of a series."""

from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import StoreNotWritable
from registry.groups import Series
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt

BTC, ETH, NONE = (Series.parse(f"BINANCE:{symbol} 1h") for symbol in ("BTCUSDT", "ETHUSDT", "NONE"))


def checkpoint(series: Series, open_ms: int, *indicators: str, anchor_ms: int = 7, rebase: int = 0) -> pl.DataFrame:
    names = ["", *indicators]
    states = [f"{series} {open_ms} {name}".encode() if name else b"" for name in names]
    return pl.DataFrame(
        [
            (series, name, anchor_ms, rebase, open_ms, open_ms + 1, state)
            for name, state in zip(names, states, strict=True)
        ],
        schema={
            "series": pl.String,
            "indicator": pl.String,
            "anchor_ms": pl.Int64,
            "rebase": pl.Int32,
            "open_ms": pl.Int64,
            "candles": pl.Int64,
            "state": pl.Binary,
        },
        orient="row",
    )


def opens(store: Store, series: Series) -> list[int]:
    return store.cache.of([series])["open_ms"].unique().sort().to_list()


def test_rows_come_back_as_they_were(store: Store) -> None:
    saved = checkpoint(BTC, 10, "rsi", "sma", anchor_ms=3, rebase=2)
    store.cache.save("1h 0/1", saved)
    kept = store.cache.of([BTC])
    assert kept.schema == saved.schema
    assert kept.equals(saved.sort("indicator"))
    every_byte = bytes(range(256))
    store.cache.save("1h 0/1", saved.with_columns(pl.lit(every_byte).alias("state"), pl.lit(11).alias("open_ms")))
    assert set(store.cache.of([BTC]).filter(pl.col("open_ms") == 11)["state"]) == {every_byte}


def test_only_the_series_that_are_asked_for(store: Store) -> None:
    store.cache.save("1h 0/1", pl.concat([checkpoint(BTC, 10, "rsi"), checkpoint(ETH, 20, "rsi")]))
    assert set(store.cache.of([ETH])["series"]) == {ETH}
    assert store.cache.of([]).is_empty()
    assert store.cache.of([NONE]).is_empty()
    assert store.cache.of([BTC, ETH, ETH]).height == 4


def test_the_last_two_of_a_series_stay(store: Store) -> None:
    for open_ms in (10, 20, 30, 40):
        store.cache.save("1h 0/1", checkpoint(BTC, open_ms, "rsi"))
        if open_ms < 30:
            store.cache.save("1h 0/1", checkpoint(ETH, open_ms, "rsi"))
    assert opens(store, BTC) == [30, 40]
    assert opens(store, ETH) == [10, 20], "a series that was not saved again keeps what it has"


def test_nobody_pushes_out_what_others_saved(store: Store) -> None:
    """A shorter timeframe that reads an hourly series saves it more often than the hourly one does."""
    store.cache.save("1h 0/1", checkpoint(BTC, 10, "rsi", "sma"))
    for open_ms in (20, 30, 40):
        store.cache.save("15m 0/1", checkpoint(BTC, open_ms, "rsi"))
    assert opens(store, BTC) == [10, 30, 40]


def test_saving_nothing_changes_nothing(store: Store) -> None:
    for open_ms in (10, 20):
        store.cache.save("1h 0/1", checkpoint(BTC, open_ms, "rsi"))
    store.cache.save("1h 0/1", checkpoint(BTC, 30).clear())
    assert opens(store, BTC) == [10, 20]


def test_a_failed_save_leaves_what_was_there(store: Store) -> None:
    for open_ms in (10, 20):
        store.cache.save("1h 0/1", checkpoint(BTC, open_ms, "rsi"))
    unfit = checkpoint(BTC, 30, "rsi").with_columns(pl.lit(None, pl.Binary).alias("state"))
    with pytest.raises(Exception, match=r"(?i)not.null"):
        store.cache.save("1h 0/1", unfit)
    assert opens(store, BTC) == [10, 20]


def test_another_process_finds_them(open_at: OpenAt, tmp_path: Path) -> None:
    clock = ReplayClock(0)
    for open_ms in (10, 20, 30):
        with open_at(tmp_path, clock) as store:
            store.cache.save("1h 0/1", checkpoint(BTC, open_ms, "rsi"))
    with open_at(tmp_path, read_only=True) as reader:
        assert reader.cache.of([BTC])["open_ms"].unique().sort().to_list() == [20, 30]
        with pytest.raises(StoreNotWritable):
            reader.cache.save("1h 0/1", checkpoint(BTC, 40, "rsi"))

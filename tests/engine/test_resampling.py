"""Built candles are the exchange's own, and a series that is read is one thing: stored or built."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from candles.series import SeriesReader
from common.clock import ReplayClock
from common.slots import slots_of
from common.timeframes import DURATION_MS, to_ms
from engine.calendars import Calendars
from engine.resampling import divisors, resample
from registry.groups import Series
from registry.store.files.file_store import FileStore

MINUTE = 60_000
HOUR = 60 * MINUTE
PRICES = ("open", "high", "low", "close")
REAL = Path(__file__).parents[2].parent / "shared" / "data"
REAL_FILES = (
    "binance_spot_5m_2024.parquet",
    "binance_spot_1h_2024.parquet",
    "binance_spot_15m_4h_1d_2024.parquet",
    "binance_spot_illiquid_2024.parquet",
)


def compare(candles: pl.DataFrame) -> tuple[int, int, int]:
    """Complete built candles that the source has too; how many differ in a price; how many in volume beyond 1e-12."""
    parts = {
        key: part.sort("open_time") for key, part in candles.partition_by("symbol", "timeframe", as_dict=True).items()
    }
    compared = differ = volumes = 0
    for (symbol, timeframe), own in parts.items():
        for source in divisors(str(timeframe)):
            if (symbol, source) not in parts:
                continue
            both = (
                resample(parts[symbol, source], source, str(timeframe))
                .filter(~pl.col("partial"))
                .join(own, on="open_time", suffix="_own")
            )
            compared += both.height
            differ += both.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_own") for name in PRICES)).height
            off = (pl.col("volume") - pl.col("volume_own")).abs() > 1e-12 * pl.col("volume_own")
            volumes += both.filter(off).height
    return compared, differ, volumes


def test_hours_built_from_five_minutes_are_the_exchanges_own(sample: pl.DataFrame) -> None:
    assert compare(sample) == (6_144, 0, 0)


@pytest.mark.skipif(not REAL.exists(), reason="the large collection of real candles is not here")
def test_a_large_collection_shows_no_difference() -> None:
    frames = [pl.read_parquet(REAL / name) for name in REAL_FILES]
    columns = ("symbol", "timeframe", "open_time", *PRICES, "volume")
    candles = pl.concat([frame.select(columns) for frame in frames])
    assert (candles["volume"] == 0).sum() > 100, "candles without trades, where the naive rule fails 27 times"
    assert compare(candles) == (206_901, 0, 0)


def minutes(*rows: tuple[int, float, float, float, float, float]) -> pl.DataFrame:
    """(minute, open, high, low, close, volume) from 2024-08-05 on."""
    start = to_ms(datetime(2024, 8, 5, tzinfo=UTC))
    return pl.DataFrame(
        [("BINANCE", "BTCUSDT", "1m", start + row[0] * MINUTE, *row[1:]) for row in rows],
        schema=["exchange", "symbol", "timeframe", "open_time", *PRICES, "volume"],
        orient="row",
    ).with_columns(pl.col("open_time").cast(pl.Datetime("ms", "UTC")), pl.col(*PRICES, "volume").cast(pl.Float64))


def values(frame: pl.DataFrame) -> list[tuple[float, ...]]:
    return frame.select(*PRICES, "volume", "partial").rows()


def test_what_was_not_traded_sets_no_price() -> None:
    quiet = minutes((0, 9, 9, 9, 9, 0), (1, 5, 6, 4, 5.5, 2), (2, 8, 8, 8, 8, 0))
    assert values(resample(quiet, "1m", "3m")) == [(5, 6, 4, 5.5, 2, False)]


def test_a_span_without_any_volume_is_built_from_all_of_it() -> None:
    """A market without trades stays flat at the last close; an index, which has no volume at all, moves."""
    flat = minutes((0, 9, 9, 9, 9, 0), (1, 9, 9, 9, 9, 0), (2, 9, 9, 9, 9, 0))
    index = minutes((0, 9, 11, 8, 10, 0), (1, 10, 12, 10, 11, 0), (2, 11, 11, 7, 8, 0))
    assert values(resample(flat, "1m", "3m")) == [(9, 9, 9, 9, 0, False)]
    assert values(resample(index, "1m", "3m")) == [(9, 12, 7, 8, 0, False)]


def test_a_span_that_lacks_a_slot_is_partial() -> None:
    gappy = minutes((1, 5, 6, 4, 5, 1), (2, 5, 7, 5, 6, 1), (6, 1, 1, 1, 1, 1))
    assert values(resample(gappy, "1m", "3m")) == [(5, 7, 4, 6, 2, True), (1, 1, 1, 1, 1, True)]
    assert resample(gappy.clear(), "1m", "3m").height == 0


def test_a_sum_has_the_same_bits_whatever_stands_beside_it(sample: pl.DataFrame) -> None:
    five = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "5m")).sort("open_time")
    whole = resample(five, "5m", "4h")
    for row in range(0, whole.height, 7):
        opens = whole["open_time"][row]
        alone = resample(
            five.filter(pl.col("open_time").is_between(opens, opens + pl.duration(hours=4), closed="left")), "5m", "4h"
        )
        assert alone.equals(whole[row])


def test_slots_are_those_of_the_timeframe_list() -> None:
    """Weeks start on Monday, three days are counted from 1970-01-01."""
    days = np.arange(to_ms(datetime(2024, 7, 1, tzinfo=UTC)), to_ms(datetime(2024, 9, 1, tzinfo=UTC)), 24 * HOUR)
    daily = pl.DataFrame({"open_time": days, **dict.fromkeys((*PRICES, "volume"), [1.0] * days.size)}).with_columns(
        pl.col("open_time").cast(pl.Datetime("ms", "UTC"))
    )
    weeks = resample(daily, "1d", "1w")
    assert set(weeks["open_time"].dt.weekday()) == {1}
    assert weeks.filter("partial").height == 1, "the first of September is a Sunday, so only the last week lacks a day"
    opens = resample(daily, "1d", "3d")["open_time"].dt.epoch("ms").to_list()
    assert {opened // (24 * HOUR) % 3 for opened in opens} == {0}


def test_only_what_divides_a_timeframe_builds_it() -> None:
    assert divisors("1w") == ("1d", "12h", "8h", "6h", "4h", "2h", "1h", "30m", "15m", "5m", "3m", "1m")
    assert divisors("5m") == ("1m",)
    assert divisors("1m") == ()
    assert divisors("1mo") == ("1d", "12h", "8h", "6h", "4h", "2h", "1h", "30m", "15m", "5m", "3m", "1m")
    for timeframe in DURATION_MS:
        slots = slots_of(timeframe)
        edges = slots.open(slots.number(1_722_000_000_000) + np.arange(40))
        for source in divisors(timeframe):
            assert np.all(slots_of(source).is_open(edges))


@pytest.fixture
def five(sample: pl.DataFrame) -> pl.DataFrame:
    """5m of BTC over three days, with gaps, and cut in the middle of an hour at both ends."""
    rows = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "5m")).sort("open_time")[5:870]
    kept = np.random.default_rng(3).random(rows.height) > 0.1
    kept[100:140] = False
    return rows.filter(pl.Series(kept))


def test_a_built_series_reads_like_a_stored_one(store: FileStore, five: pl.DataFrame, tmp_path: Path) -> None:
    """Every question that the engine asks, against a store that holds the built candles as its own."""
    hourly = resample(five, "5m", "1h")
    series = Series.parse("BINANCE:BTCUSDT 1h")
    store.candles.upsert(five)
    reader = SeriesReader.of(store)
    assert reader.source(series) == "5m"
    with FileStore(tmp_path / "own", clock=ReplayClock(0)) as own_store:
        own_store.candles.upsert(hourly.drop("partial"))
        own = SeriesReader.of(own_store)
        assert own.source(series) is None
        opens = hourly["open_time"].dt.epoch("ms").to_list()
        for time in [*opens[::6], *(opened + 1 for opened in opens[1::6]), opens[0] - 7 * HOUR, opens[-1] + HOUR]:
            assert reader.first_open_from(series, time) == own.first_open_from(series, time)
            for count in (1, 2, 50):
                assert reader.last(series, time, count).equals(own.last(series, time, count))
            assert reader.between(series, time, time + 5 * HOUR).equals(own.between(series, time, time + 5 * HOUR))
            slot = time // HOUR * HOUR
            assert reader.at("1h", slot, [series]).drop("partial").equals(own.at("1h", slot, [series]).drop("partial"))
            assert (reader.missing_parts(series, slot) == []) == (reader.at("1h", slot, [series]).height == 1) & (
                not reader.at("1h", slot, [series])["partial"].any()
            )
        assert reader.first(series) == own.first(series)
        assert reader.extent(series) == (opens[0], opens[-2]), "the last hour is not over"


def test_a_slot_has_one_candle_of_a_series_that_is_stored_too(store: FileStore, sample: pl.DataFrame) -> None:
    bitcoin = sample.filter(pl.col("symbol") == "BTCUSDT")
    store.candles.upsert(bitcoin.with_columns(pl.col("volume") * (1 + (pl.col("timeframe") == "1h").cast(pl.Int8))))
    series, open_ms = Series.parse("BINANCE:BTCUSDT 1h"), to_ms(datetime(2024, 8, 5, tzinfo=UTC))
    built = SeriesReader(store.candles, {series: "5m"}, Calendars()).at("1h", open_ms, [series])
    own = SeriesReader(store.candles, {series: None}, Calendars()).at("1h", open_ms, [series])
    assert (built.height, own.height) == (1, 1)
    assert own["volume"][0] == pytest.approx(2 * built["volume"][0])


def test_a_stored_timeframe_is_the_series(store: FileStore, sample: pl.DataFrame) -> None:
    bitcoin = sample.filter(pl.col("symbol") == "BTCUSDT")
    store.candles.upsert(bitcoin)
    reader = SeriesReader.of(store)
    assert reader.source(Series.parse("BINANCE:BTCUSDT 1h")) is None
    assert reader.source(Series.parse("BINANCE:BTCUSDT 1d")) == "1h", "the longest that divides it"
    assert reader.source(Series.parse("BINANCE:BTCUSDT 15m")) == "5m"
    assert reader.source(Series.parse("BINANCE:BTCUSDT 3m")) is None
    assert not reader.exists(Series.parse("BINANCE:BTCUSDT 3m"))

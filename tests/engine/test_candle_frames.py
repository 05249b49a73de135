"""Whatever frame an analyst has, a scan of it is that of its candles, or says what is wrong with the frame."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analysis
import indicators
from candles.sample import SAMPLE_FILES
from common.errors import CandleFrameError, CandlesMissing
from registry import Condition

TEXT = "BTCUSDT 1h: rsi < 30"
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "binance_spot_1h_2024.parquet"
COLUMNS = ("open_time", "open", "high", "low", "close", "volume")


def hours() -> pl.DataFrame:
    files = pl.concat([pl.read_parquet(path) for path in SAMPLE_FILES])
    return files.filter(symbol="BTCUSDT", timeframe="1h").sort("open_time").tail(900)


HOURS = hours()
EXPECTED = analysis.scan(TEXT, HOURS)
BARE = HOURS.select(COLUMNS)


def epochs(frame: pl.DataFrame, per_second: int) -> pl.DataFrame:
    ms = pl.col("open_time").dt.epoch("ms")
    return frame.with_columns(open_time=ms // 1000 if per_second == 1 else ms * (per_second // 1000))


SPELLINGS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "as it is": lambda frame: frame,
    "pandas": lambda frame: frame.to_pandas(),
    "pandas, naive index": lambda frame: frame.to_pandas().set_index("open_time").tz_localize(None),
    "pandas, index in another zone": lambda frame: (
        frame.to_pandas()
        .set_index("open_time")
        .tz_convert("America/New_York")
        .rename_axis("Date")
        .rename(columns=str.title)
    ),
    "pandas, objects": lambda frame: frame.to_pandas().astype({"close": object}),
    "naive": lambda frame: frame.with_columns(pl.col("open_time").dt.replace_time_zone(None)),
    "microseconds": lambda frame: frame.with_columns(pl.col("open_time").dt.cast_time_unit("us")),
    "numbers of s": lambda frame: epochs(frame, 1),
    "numbers of ms": lambda frame: epochs(frame, 10**3),
    "numbers of us": lambda frame: epochs(frame, 10**6),
    "numbers of ns": lambda frame: epochs(frame, 10**9),
    "real numbers of s": lambda frame: epochs(frame, 1).cast({"open_time": pl.Float64}),
    "decimals": lambda frame: frame.cast({"open": pl.Decimal(20, 8), "close": pl.Decimal(20, 8)}),
    "timestamp and capitals": lambda frame: frame.rename({"open_time": "timestamp", "close": "CLOSE", "open": "Open"}),
    "more columns": lambda frame: frame.with_columns(trades=1, Close=pl.lit("text"), close_time=None),
    "turned over": lambda frame: frame.select(reversed(frame.columns)),
}


@settings(max_examples=60)
@given(
    spelling=st.sampled_from(sorted(SPELLINGS)),
    bare=st.booleans(),
    repeated=st.lists(st.tuples(st.integers(0, 899), st.integers(1, 600)), max_size=3),
    seed=st.none() | st.integers(0, 9),
)
def test_the_spelling_of_a_frame_changes_nothing(
    spelling: str, bare: bool, repeated: list[tuple[int, int]], seed: int | None
) -> None:
    frame = BARE if bare else HOURS
    frame = pl.concat([frame, *(frame.slice(start, length) for start, length in repeated)])
    if seed is not None:
        frame = frame.sample(fraction=1, shuffle=True, seed=seed)
    assert analysis.scan(TEXT, SPELLINGS[spelling](frame)).equals(EXPECTED)


def test_conditions_in_every_spelling() -> None:
    flat = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "<", "value": 30}
    several: list[Any] = [TEXT, flat, Condition.parse(TEXT), Condition.parse(flat)]
    for conditions in (*several, several, iter(several)):
        assert analysis.scan(conditions, HOURS).equals(EXPECTED)
    assert EXPECTED.height > 10
    assert analysis.scan([], BARE).is_empty()


def test_names_of_series_in_any_spelling_are_one_series() -> None:
    spelled = HOURS.with_columns(symbol=pl.lit("btc/usdt"), timeframe=pl.lit("60m"))
    halves = pl.concat([HOURS.head(500), spelled.tail(500)])
    for frame in (spelled, halves, spelled.with_columns(exchange=pl.lit("binance"))):
        assert analysis.scan(TEXT, frame).equals(EXPECTED)
    kraken = analysis.scan("KRAKEN:BTCUSDT 1h: rsi < 30", HOURS, exchange="KRAKEN")
    assert kraken["open_time"].equals(EXPECTED["open_time"])


def test_the_same_candles_twice_fire_as_often_as_once() -> None:
    if not REAL.exists():
        pytest.skip("the year of real candles is not here")
    year = pl.read_parquet(REAL).filter(symbol="BTCUSDT")
    for frame in (year, pl.concat([year, year]), pl.concat([year, year.slice(3000, 520)])):
        assert analysis.scan(TEXT, frame).height == 87


def test_a_row_without_prices_is_a_gap() -> None:
    empty = [pl.when(pl.int_range(pl.len()).is_between(400, 403)).then(None).otherwise(pl.col(name)).alias(name)
             for name in ("open", "high", "low", "close")]  # fmt: skip
    gap = pl.concat([HOURS.head(400), HOURS.slice(404)])
    assert analysis.scan(TEXT, HOURS.with_columns(empty)).equals(analysis.scan(TEXT, gap))


def test_without_names_a_frame_is_the_one_series_that_the_conditions_name() -> None:
    longer = "BTCUSDT 1h: rsi@4h < 40"
    assert analysis.scan(longer, BARE).equals(analysis.scan(longer, HOURS))
    with pytest.raises(CandlesMissing, match="no candles of BINANCE:ETHUSDT 1h"):
        analysis.scan("BTCUSDT 1h: rsi@ETHUSDT < 30", BARE)
    for other, named in (
        ("ETHUSDT 1h: rsi < 30", "symbol.*BINANCE:ETHUSDT"),
        ("BTCUSDT 4h: rsi < 30", "timeframe.*4h"),
    ):
        with pytest.raises(CandleFrameError, match=f"no column {named}; add the column"):
            analysis.scan([TEXT, other], BARE)


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_two_candles_of_one_slot_are_an_error_that_names_both(column: str) -> None:
    other = HOURS.slice(7, 1).with_columns((pl.col(column) + 0.25).alias(column))
    opened = HOURS["open_time"][7].strftime("%Y-%m-%d %H:%M")
    mine, theirs = (f"{column} {frame[column][0]:.15g}" for frame in (HOURS.slice(7, 1), other))
    with pytest.raises(CandleFrameError) as caught:
        analysis.scan(TEXT, pl.concat([HOURS, HOURS, other]))
    message = str(caught.value)
    assert "two different candles of BINANCE:BTCUSDT 1h" in message
    for part in (f"row 7 ({opened}", f"row 1800 ({opened}", mine, theirs):
        assert part in message


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (HOURS.lazy(), "got a LazyFrame; call its collect"),
        ([1, 2], "a polars or pandas frame, got a list"),
        (HOURS.drop("volume", "close"), "no column close, volume; they have symbol"),
        (BARE.drop("open_time").to_pandas(), "no column open_time"),
        (HOURS.cast({"close": pl.String}), "column close of the candles holds String such as"),
        (HOURS.with_columns(open_time=pl.lit("2024-08-05")), "the time of the candles is String such as '2024-08-05'"),
        (HOURS.with_columns(open_time=pl.lit(None, pl.Int64)), "row 0 of the candles has no time"),
        (
            HOURS.with_columns(pl.col("open_time").dt.cast_time_unit("us") + timedelta(microseconds=1)),
            "row 0 of the candles has a time between two milliseconds",
        ),
        (HOURS.with_columns(high=float("nan")), "a candle of BINANCE:BTCUSDT 1h has only some of its prices: row 0"),
        (HOURS.with_columns(symbol=pl.lit(None, pl.String)), "some candles have no symbol"),
        (HOURS.with_columns(symbol=pl.lit("B//T")), "symbol 'B//T' is malformed"),
        (HOURS.with_columns(timeframe=pl.lit("7m")), "timeframe '7m' is not supported"),
        (HOURS.with_columns(symbol=pl.lit("A:BTCUSDT"), exchange=pl.lit("B")), "exchange of some candles is B"),
        (HOURS.rename({"close": "Close", "low": "CLOSE"}), "several columns are called close: 'CLOSE', 'Close'"),
        (HOURS.to_pandas().assign(close=["x", *HOURS["close"][1:]]), "column close of the candles holds values"),
        (pd.concat({"BTC": BARE.to_pandas()}, axis=1), "the columns of the candles have several levels"),
    ],
)  # fmt: skip
def test_what_a_frame_is_refused_for(frame: Any, message: str) -> None:
    with pytest.raises(CandleFrameError) as caught:
        analysis.scan(TEXT, frame)
    assert message in str(caught.value)


def test_indicators_take_any_columns() -> None:
    expected = indicators.compute("vwap", BARE)["value"].tolist()
    by_name = {name: BARE[name] for name in COLUMNS}
    times = BARE.to_pandas().assign(open_time=lambda frame: frame["open_time"].dt.tz_convert("Asia/Tokyo"))
    lists = {name: column.to_list() for name, column in by_name.items()} | {"open_time": BARE["open_time"].to_numpy()}
    for candles in (by_name, times, lists, {name: column.to_numpy() for name, column in by_name.items()}):
        assert indicators.compute("vwap", candles)["value"].tolist() == expected
    with pytest.raises(indicators.IndicatorError, match="'open_time' does not hold times"):
        indicators.compute("vwap", by_name | {"open_time": [object()] * 900})

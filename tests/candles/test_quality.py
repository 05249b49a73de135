"""Every row is either a candle or in the quarantine with the right reason."""

import ast
from collections.abc import Sequence
from math import nan
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candles import quality, reasons
from candles.files.raw import CANDLE_SCHEMA, RAW_SCHEMA, RawCandles
from candles.quality import CheckedCandles, Gap, check, gaps_between
from common.candle_columns import VALUES
from common.slots import slots_of
from common.timeframes import DURATION_MS
from registry.groups import Series

HOUR = 3_600_000
START = 1_704_067_200_000  # 2024-01-01 00:00 UTC, a Monday
GOOD = (100.0, 102.0, 99.0, 101.0, 12.5)
QUARANTINE = [*CANDLE_SCHEMA, "reason", "source", "line"]

Row = tuple[int | None, Sequence[float | None]]


def raw(rows: Sequence[Row], timeframe: str | None = "1h", symbol: str | None = "BTCUSDT") -> RawCandles:
    named = [("BINANCE", symbol, timeframe, time, *values, n, None, False) for n, (time, values) in enumerate(rows, 1)]
    ints = {**RAW_SCHEMA, "open_time": pl.Int64()}
    frame = pl.DataFrame(named, schema=ints, orient="row")
    return RawCandles("rows", frame.with_columns(pl.col("open_time").cast(pl.Datetime("ms", "UTC"))))


def judge(*rows: Row, now_ms: int = START + 1000 * HOUR, timeframe: str | None = "1h") -> CheckedCandles:
    return check(raw(rows, timeframe), now_ms=now_ms)


def rejected(checked: CheckedCandles) -> list[tuple[int, str]]:
    return checked.quarantined.select("line", "reason").rows()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((None, 102.0, 99.0, 101.0, 12.5), reasons.MISSING_VALUE),
        ((100.0, 102.0, 99.0, 101.0, None), reasons.MISSING_VALUE),
        ((100.0, float("inf"), 99.0, 101.0, 12.5), reasons.NOT_FINITE),
        ((100.0, 102.0, 99.0, float("nan"), 12.5), reasons.NOT_FINITE),
        ((0.0, 0.0, 0.0, 0.0, 0.0), reasons.ALL_ZERO),
        ((0.0, 0.0, 0.0, 0.0, 5.0), reasons.PRICE_NOT_POSITIVE),
        ((100.0, 102.0, -99.0, 101.0, 12.5), reasons.PRICE_NOT_POSITIVE),
        ((100.0, 102.0, 99.0, 101.0, -1.0), reasons.NEGATIVE_VOLUME),
        ((100.0, 98.0, 99.0, 100.0, 1.0), reasons.HIGH_BELOW_LOW),
        ((103.0, 102.0, 99.0, 101.0, 1.0), reasons.OUTSIDE_RANGE),
        ((100.0, 102.0, 99.0, 98.5, 1.0), reasons.OUTSIDE_RANGE),
        ((100.0, 101.0, 102.0, 99.0, 1.0), reasons.COLUMN_ORDER),
        ((101.0, 100.0, 102.0, 99.0, 1.0), reasons.COLUMN_ORDER),
    ],
)
def test_reasons_of_values(values: Sequence[float | None], reason: str) -> None:
    checked = judge((START, GOOD), (START + HOUR, values))
    assert rejected(checked) == [(2, reason)]
    assert checked.candles.height == 1
    assert checked.quarantined.columns == QUARANTINE
    assert checked.quarantined.select(VALUES).equals(
        pl.DataFrame([values], schema=VALUES, orient="row"), null_equal=True
    )


def test_flat_candles_and_volume_zero_are_fine() -> None:
    checked = judge((START, (100.0, 100.0, 100.0, 100.0, 0.0)))
    assert checked.quarantined.is_empty()
    assert checked.candles.columns == list(CANDLE_SCHEMA)
    assert checked.candles.schema == pl.Schema(CANDLE_SCHEMA)


@pytest.mark.parametrize("timeframe", list(DURATION_MS))
def test_grid_is_that_of_the_timeframes(timeframe: str) -> None:
    slots = slots_of(timeframe)
    before, slot = slots.open(slots.number(START) - 1), slots.open(slots.number(START))
    rows = [(before, GOOD), (slot, GOOD), (slot + 60_000 * (timeframe != "1m") + 1_000, GOOD)]
    checked = judge(*rows, timeframe=timeframe)
    assert checked.candles.height == 2
    assert rejected(checked) == [(3, reasons.OFF_GRID)]


def test_weeks_start_on_monday() -> None:
    day = 24 * HOUR
    checked = judge((START, GOOD), (START + 3 * day, GOOD), (START + 7 * day, GOOD), timeframe="1w", now_ms=START * 2)
    assert rejected(checked) == [(2, reasons.OFF_GRID)]
    assert gaps_between(checked.candles) == ()


def test_a_candle_is_closed_at_its_close_time() -> None:
    assert rejected(judge((START, GOOD), now_ms=START + HOUR)) == []
    assert rejected(judge((START, GOOD), now_ms=START + HOUR - 1)) == [(1, reasons.STILL_OPEN)]


def test_unknown_names_and_times() -> None:
    assert rejected(judge((None, GOOD))) == [(1, reasons.MISSING_VALUE)]
    assert rejected(judge((START, GOOD), timeframe=None)) == [(1, reasons.MISSING_VALUE)]
    assert rejected(judge((START, GOOD), timeframe="1Mo")) == [(1, reasons.UNSUPPORTED_TIMEFRAME)]


def test_the_reader_has_the_first_word() -> None:
    source = raw([(START, (None, 102.0, 99.0, 101.0, 1.0))])
    rows = source.rows.with_columns(pl.lit(reasons.NOT_A_NUMBER).alias("problem"))
    assert rejected(check(RawCandles("rows", rows), now_ms=START * 2)) == [(1, reasons.NOT_A_NUMBER)]


def test_repeated_and_superseded_rows() -> None:
    other = (100.0, 102.0, 99.0, 101.5, 13.0)
    checked = judge((START, GOOD), (START, GOOD), (START + HOUR, GOOD), (START + HOUR, other), (START + 2 * HOUR, GOOD))
    assert rejected(checked) == [(2, reasons.REPEATED), (3, reasons.SUPERSEDED)]
    assert checked.candles["close"].to_list() == [101.0, 101.5, 101.0]


def test_last_values_stay_where_they_came_first() -> None:
    other = (100.0, 102.0, 99.0, 101.5, 12.5)
    checked = judge((START, GOOD), (START, other), (START, GOOD))
    assert rejected(checked) == [(2, reasons.SUPERSEDED), (3, reasons.REPEATED)]
    assert checked.candles["close"].to_list() == [101.0]


def test_a_bad_row_does_not_supersede_a_good_one() -> None:
    checked = judge((START, GOOD), (START, (100.0, 98.0, 99.0, 100.0, 1.0)))
    assert rejected(checked) == [(2, reasons.HIGH_BELOW_LOW)]
    assert checked.candles.height == 1


def test_unsorted_rows_are_sorted_and_gaps_found() -> None:
    checked = judge((START + 5 * HOUR, GOOD), (START, GOOD), (START + HOUR, GOOD), (START + 7 * HOUR, (0.0,) * 5))
    assert checked.candles["open_time"].dt.epoch("ms").to_list() == [START, START + HOUR, START + 5 * HOUR]
    assert gaps_between(checked.candles) == (Gap(Series.parse("BINANCE:BTCUSDT 1h"), START + 2 * HOUR, 3),)


def test_what_a_quarantined_row_would_have_filled_is_a_gap() -> None:
    checked = judge((START, GOOD), (START + HOUR, (0.0,) * 5), (START + 2 * HOUR, GOOD))
    assert gaps_between(checked.candles) == (Gap(Series.parse("BINANCE:BTCUSDT 1h"), START + HOUR, 1),)


def test_gaps_do_not_reach_across_series() -> None:
    rows = [raw([(START + shift * HOUR, GOOD)], symbol=symbol).rows for symbol, shift in (("A", 0), ("B", 9))]
    both = pl.concat(rows).with_columns(line=pl.Series([1, 2]))
    assert gaps_between(check(RawCandles("rows", both), now_ms=START * 2).candles) == ()


def test_a_wrong_timeframe_is_suspected() -> None:
    fives = judge(*((START + n * 300_000, GOOD) for n in range(24)))
    assert fives.candles.height == 2
    assert fives.wrong_timeframes == ("BINANCE:BTCUSDT 1h: most rows are 5m apart; is 1h the right timeframe?",)
    hours = judge(*((START + n * HOUR, GOOD) for n in range(24)), timeframe="5m")
    assert hours.wrong_timeframes == ("BINANCE:BTCUSDT 5m: most rows are 1h apart; is 5m the right timeframe?",)


def test_a_wrong_column_order_is_suspected() -> None:
    checked = judge(*((START + n * HOUR, (100.0, 101.0, 102.0, 99.0, 1.0)) for n in range(3)))
    assert checked.notes == ("most rows fit open, close, high, low: is that the order of the file's columns?",)


def test_no_rows() -> None:
    checked = judge()
    assert checked.candles.schema == pl.Schema(CANDLE_SCHEMA)
    assert checked.quarantined.columns == QUARANTINE
    assert gaps_between(checked.candles) == ()
    assert checked.notes == ()


prices = st.sampled_from([None, float("nan"), float("inf"), -1.0, 0.0, 99.0, 100.0, 101.0])
candles = st.one_of(
    st.just(GOOD),
    st.tuples(prices, prices, prices, prices, prices),
    st.tuples(st.just(100.0), st.just(102.0), st.just(99.0), st.sampled_from([99.0, 100.0, 101.0]), st.just(1.0)),
)
times = st.one_of(st.none(), st.integers(0, 12).map(lambda n: START + n * 30 * 60_000))
problems = st.sampled_from([None, None, None, reasons.NOT_A_NUMBER])
names = st.tuples(
    st.sampled_from(["BINANCE", "KRAKEN", None]),
    st.sampled_from(["BTCUSDT", "ETHUSDT", None]),
    st.sampled_from(["30m", "1h", "1w", "1Mo", None]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(names, times, candles, problems), max_size=40), st.integers(0, 8))
def test_no_row_is_lost_and_good_rows_stay_good(
    rows: list[tuple[tuple[str | None, ...], int | None, tuple[float | None, ...], str | None]], hours: int
) -> None:
    now_ms = START + hours * HOUR
    frame = pl.DataFrame(
        [(*named, time, *values, n, problem, False) for n, (named, time, values, problem) in enumerate(rows, 1)],
        schema={**RAW_SCHEMA, "open_time": pl.Int64()},
        orient="row",
    ).with_columns(pl.col("open_time").cast(pl.Datetime("ms", "UTC")))
    checked = check(RawCandles("rows", frame), now_ms=now_ms)

    key = ["exchange", "symbol", "timeframe", "open_time"]
    assert checked.candles.height + checked.quarantined.height + checked.untraded == len(rows)
    assert checked.quarantined["line"].is_unique().all()
    # Every row is where it came from, with the values it had.
    origin = frame.select(*CANDLE_SCHEMA, "line")
    stayed = checked.quarantined.select(*CANDLE_SCHEMA, "line").join(
        origin, on=origin.columns, how="semi", nulls_equal=True
    )
    assert stayed.height == checked.quarantined.height
    left = origin.join(checked.quarantined, on="line", how="anti").drop("line").sort(key)
    untraded = left.filter(pl.all_horizontal(pl.col("open", "high", "low", "close").fill_null(nan).is_nan()))
    assert untraded.height == checked.untraded
    left = left.filter(pl.col("open").fill_null(nan).is_not_nan())
    assert left.equals(checked.candles)
    assert checked.candles.sort(key).equals(checked.candles)
    assert not checked.candles.select(key).is_duplicated().any()
    assert checked.candles.null_count().sum_horizontal().sum() == 0

    again = check(RawCandles.from_frame(checked.candles, "again"), now_ms=now_ms)
    assert again.candles.equals(checked.candles)
    assert again.quarantined.is_empty()
    assert gaps_between(again.candles) == gaps_between(checked.candles)


def test_reasons_are_all_different() -> None:
    values = [value for name, value in vars(reasons).items() if name.isupper()]
    assert len(values) == len(set(values))


def test_checking_needs_no_service() -> None:
    tree = ast.parse(Path(quality.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(module and module.startswith(("duckdb", "prefect", "redis")) for module in imported)

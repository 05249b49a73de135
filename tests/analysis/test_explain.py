"""An explanation agrees with a scan on every candle, and says in words what was missing."""

import random
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

import analysis
from analysis.explain import explain
from analysis.valuation import Valuation
from common.errors import CandlesMissing
from common.timeframes import to_ms
from condition_hub.explanation import CandleExplanation, Explained
from engine.calendars import Calendars
from engine.resampling import with_built
from registry.conditions import Condition
from registry.language.desugar import desugar
from tests.engine.live import histories_of
from tests.engine.test_language_evaluation import daily, gappy, scanned, some_conditions, some_sessions

DAY_MS = 24 * 3_600_000


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_a_scan_on_every_candle(sample: pl.DataFrame, seed: int) -> None:
    dice = random.Random(300 + seed)
    histories = gappy(sample, dice, dice.choice((0.0, 0.03, 0.1)))
    conditions = some_conditions(dice, 40)
    calendars = some_sessions(seed, histories)
    fired = scanned(conditions, histories, calendars=calendars)
    rows = analysis.scan(conditions, pl.concat(list(histories.values())), calendars=calendars)
    settled = {(row[0], row[1]) for row in rows.filter("settled").select("condition_id", "open_time").rows()}
    for condition in conditions:
        values = Valuation(condition, histories, calendars)
        assert values.opens[values.fires()].tolist() == fired[condition.id], str(condition)
        written = values.truth(desugar(condition.surface, condition.series))
        assert np.array_equal(written, values.truth(condition.tree)), f"{condition}: as written and as judged"
        for open_ms in dice.sample(values.opens.tolist(), 6) + fired[condition.id][:3]:
            shown = explain(condition, histories, calendars, at_ms=open_ms + 3_600_000)
            assert shown.open_time == open_ms
            assert shown.fires == (open_ms in fired[condition.id]), str(condition)
            assert shown.tree is not None
            assert shown.tree.truth == shown.truth
            assert bool(shown.reasons) == (not shown.fires)
            if shown.fires:
                opened = datetime.fromtimestamp(open_ms / 1000, tz=UTC)
                assert shown.settled == ((condition.id, opened) in settled)
    assert sum(map(len, fired.values())) > 300


def test_it_agrees_on_built_series(sample: pl.DataFrame) -> None:
    five = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "5m")).sort("open_time")[7:4000]
    condition = Condition.parse("BTCUSDT 15m: every(close < sma(20) and rsi(14)@4h < 50)")
    histories = with_built(histories_of(five), condition.all_series, Calendars())
    rows = analysis.scan([condition], five)
    values = Valuation(condition, histories, {})
    assert values.opens[values.fires()].tolist() == rows["open_time"].dt.epoch("ms").to_list() != []


def on_day(text: str, days: dict[int, float], day: int | None = None) -> CandleExplanation:
    """A condition on daily candles of August 2024, explained when a day has closed."""
    at_ms = None if day is None else to_ms(datetime(2024, 8, day, tzinfo=UTC)) + DAY_MS
    return explain(Condition.parse(f"NASDAQ:ACME 1d: {text}"), histories_of(daily(days)), at_ms=at_ms)


@pytest.mark.parametrize(
    ("text", "days", "day", "verdict", "says"),
    [
        ("close > 30", {1: 29, 2: 31}, 2, "fires", None),
        ("close > 30", {1: 31, 2: 32}, 2, "true already", "when it becomes TRUE"),
        ("close > 30", {1: 31}, 1, "unknown before", "first candle of NASDAQ:ACME 1d"),
        ("close > 30", {1: 31, 3: 32}, 3, "unknown before", "one step before is missing"),
        ("close > 30", {1: 29, 2: 28}, 2, "false", "FALSE"),
        ("close > sma(3)", {1: 29, 2: 28}, 2, "unknown", "sma(3) needs 3 candles of NASDAQ:ACME 1d and has 2"),
        (
            "close > sma(2, sma(2))",
            {1: 29, 2: 28},
            2,
            "unknown",
            "sma(2, sma(2)) needs 3 candles of NASDAQ:ACME",
        ),
        ("sma(2, 1 / (close - 28)) > 1", {1: 29, 2: 28}, 2, "unknown", "1 / (close - 28) is not a finite number"),
        ("close > close[2]", {1: 29, 3: 28, 4: 27}, 4, "unknown", "2 steps back there is no candle"),
        ("close / (close - close) > 1", {1: 29, 2: 28}, 2, "unknown", "divides by 0"),
        ("close > close@1w", {1: 29, 2: 28}, 2, "unknown", "1w has no candle that closes at 2024-07-29"),
        ("close > 30", {1: 29, 3: 31}, 2, "no candle", "no candle that opens at 2024-08-02 00:00"),
        ("close > 30", {1: 29, 3: 31}, 4, "waiting", "2024-08-04 00:00 has not arrived"),
    ],
)
def test_verdicts(text: str, days: dict[int, float], day: int, verdict: str, says: str | None) -> None:
    if "1w" in text:
        histories = histories_of(daily(days))
        week = daily({5: 1.0}).with_columns(pl.lit("1w").alias("timeframe"))
        condition = Condition.parse(f"NASDAQ:ACME 1d: {text}")
        at_ms = to_ms(datetime(2024, 8, day, tzinfo=UTC)) + DAY_MS
        shown = explain(condition, histories | histories_of(week), at_ms=at_ms)
    else:
        shown = on_day(text, days, day)
    assert shown.verdict == verdict
    if says is None:
        assert shown.reasons == ()
    else:
        assert says in " ".join(shown.reasons)


def tree_of(explanation: CandleExplanation) -> Explained:
    assert explanation.tree is not None
    return explanation.tree


def only(node: Explained) -> Explained:
    (child,) = node.children
    return child


def test_operands_and_distances() -> None:
    shown = on_day("not (close crosses_below sma(2) or close > 40)", {1: 20.0, 2: 30.0, 3: 25.0}, 3)
    assert (shown.truth, shown.before) == ("FALSE", "TRUE")
    crossing, above = only(tree_of(shown)).children
    assert (crossing.text, crossing.truth) == ("close crosses_below sma(2)", "TRUE")
    assert [(reading.text, reading.now, reading.before) for reading in crossing.readings] == [
        ("close", 25.0, 30.0),
        ("sma(2)", 27.5, 25.0),
    ]
    assert [distance.absolute for distance in crossing.distances] == [-2.5]
    assert above.truth == "FALSE"
    (away,) = above.distances
    assert (away.left, away.right, away.absolute, away.relative) == ("close", "40", -15.0, -0.375)


def test_what_an_indicator_is_computed_from_is_shown() -> None:
    days = {day: float(28 + day) for day in range(1, 8)}
    shown = on_day("close > sma(2, sma(2) + mom(2)) + sma(2, ema(2, high - low))", days)
    assert shown.tree is not None
    assert {reading.text: reading.now for reading in shown.tree.readings} == {
        "close": 35.0,
        "sma(2, sma(2) + mom(2)) + sma(2, ema(2, high - low))": 36.0,
        "sma(2) + mom(2)": 36.5,
        "ema(2, high - low)": 0.0,
        "high - low": 0.0,
    }


def test_distances_of_channels_moves_and_trends() -> None:
    shown = on_day(
        "all(close between 10 and 30, close rises_by 10% within 2 bars, close rising 2 bars)",
        {1: 20.0, 2: 19.0, 3: 21.0},
        3,
    )
    channel, move, trend = tree_of(shown).children
    assert [distance.absolute for distance in channel.distances] == [11.0, -9.0]
    assert [round(distance.absolute, 6) for distance in move.distances] == [0.1], (
        "2 risen, 1.9 needed, from the lower of both"
    )
    assert [distance.absolute for distance in trend.distances] == [2.0]


def test_windows_orders_and_functions_are_explained_in_words() -> None:
    shown = on_day(
        "all(not during(mon-wed, Asia/Tokyo), close > 25 then max(close, 22) < abs(0 - 24) within 2 bars)",
        {1: 20.0, 2: 26.0, 3: 30.0, 4: 21.0},
        4,
    )
    assert (shown.truth, shown.before, shown.fires) == ("TRUE", "FALSE", True)
    gate, order = tree_of(shown).children
    assert only(gate).text == "during(mon-wed, Asia/Tokyo): it opens on sun at 09:00 in Asia/Tokyo"
    assert (only(gate).truth, gate.truth) == ("FALSE", "TRUE")
    assert order.text == "then, within 2 bars"
    first, second = order.children
    assert (first.text, first.truth, first.before) == ("close > 25", "FALSE", "TRUE")
    assert [(reading.text, reading.now, reading.before) for reading in second.readings] == [
        ("max(close, 22)", 22.0, 30.0),
        ("abs(0 - 24)", 24.0, 24.0),
    ]
    before = tree_of(on_day("before(close > 25)", {1: 20.0, 2: 26.0, 3: 20.0}, 3))
    assert (before.text, before.truth, only(before).before) == ("one candle before", "TRUE", "TRUE")


def test_the_newest_candle_is_the_default() -> None:
    shown = on_day("close > 30", {1: 29, 2: 31})
    assert shown.close_time == to_ms(datetime(2024, 8, 3, tzinfo=UTC))
    assert shown.freshness[0].candles == 2
    assert shown.price == 31


def test_a_series_without_candles_is_named() -> None:
    condition = Condition.parse("NASDAQ:ACME 1d: close > close@NASDAQ:GOOG")
    with pytest.raises(CandlesMissing, match="NASDAQ:GOOG 1d"):
        explain(condition, histories_of(daily({1: 2.0})))

"""Indicators of indicators and of arithmetic: TA-Lib's values on the inner array; the same bits live and in a scan."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import talib

from common.timeframes import to_ms
from engine.blocks import ARITHMETIC
from engine.calendars import Calendars
from engine.candle_history import FrameHistory
from engine.evaluate import Evaluator
from engine.history import HistoryEvaluator
from engine.judging_kernels import _calculate
from engine.plan import make_plan
from engine.readings import calculate, values_over
from indicators._kernels import program
from indicators.catalogue import catalogue
from indicators.compute import Array, compute
from indicators.kernels.tick_program import CANDLE_ROWS
from registry.conditions import Condition
from registry.groups import series_of
from registry.language.as_text.text import parse_operand
from registry.language.tree import IndicatorOutput, operands
from tests.engine.live import histories_of, loader, run_live
from tests.indicators.markets import hourly_markets
from tests.indicators.reference import Columns, identical
from tests.indicators.test_golden import golden
from tests.indicators.test_talib import agree, oracle

SERIES = series_of("BINANCE", "BTCUSDT", "1h")
HOUR = timedelta(hours=1)
SINGLE = [name for name, record in catalogue().items() if record.has_source]
CALCULATIONS = (program.calculate, _calculate)
INNER = ("rsi(14)", "ema(9)", "high - low", "ema(9, rsi(14))")


@pytest.fixture(scope="module")
def markets() -> dict[str, Columns]:
    return hourly_markets()


def over(text: str, columns: Columns) -> Array:
    """An operand over the candles of a market."""
    return values_over(parse_operand(text, SERIES), columns)


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("name", [name for name in SINGLE if "high" not in catalogue()[name].inputs])
def test_values_are_talibs_on_the_inner_array(name: str, inner: str, markets: dict[str, Columns]) -> None:
    """The outer indicator begins at the inner one's first value."""
    record = catalogue()[name]
    parameters = record.complete({})
    for columns in list(markets.values())[:2]:
        source = over(inner, columns)
        begin = int(np.flatnonzero(np.isfinite(source))[0])
        of_inner = {"close": source[begin:], "volume": columns["volume"][begin:]}
        theirs = oracle(record, parameters, of_inner)
        for output, expected in theirs.items():
            dot = f".{output}" if len(record.outputs) > 1 else ""
            listed = ", ".join(f"{value:g}" for value in parameters.values())
            ours = over(f"{name}({listed}, {inner}){dot}", columns)
            assert np.isnan(ours[:begin]).all()
            agree(record, output, ours[begin:], expected, source[begin:], tolerance=1e-9)


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("periods", [(20, 10), (5, 10)])
def test_channels_around_a_source_have_the_range_of_the_candles(
    inner: str, periods: tuple[int, int], markets: dict[str, Columns]
) -> None:
    """The average begins at the inner one's first value, the range at the first candle."""
    period, atr_period = periods
    for columns in list(markets.values())[:2]:
        source = over(inner, columns)
        begin = int(np.flatnonzero(np.isfinite(source))[0]) + max(0, atr_period - period + 1)
        channel = f"keltner({period}, 2, {atr_period}, {inner})"
        middle, upper = over(f"{channel}.middle", columns), over(f"{channel}.upper", columns)
        centre = talib.EMA(source[begin:], period)
        assert np.isnan(middle[: begin + period - 1]).all()
        np.testing.assert_allclose(middle[begin:], centre, rtol=1e-9)
        own = f"keltner({period}, 2, {atr_period})"
        reach = over(f"{own}.upper - {own}.middle", columns)
        np.testing.assert_allclose((upper - middle)[begin + period :], reach[begin + period :], rtol=1e-6)


def test_a_source_may_be_an_array(markets: dict[str, Columns]) -> None:
    columns = next(iter(markets.values()))
    inner = compute("rsi", columns)["value"]
    assert identical(compute("ema", columns, source=inner, period=9)["value"], over("ema(9, rsi(14))", columns))


def every_combination() -> list[str]:
    """Each output of each indicator that has a source, over different sources."""
    sources = ("rsi(5)", "ema(4, high - low)", "close / volume", "macd(3, 7, 4).histogram", "rsi(5) * 2")
    combined: list[str] = []
    for number, record in enumerate(catalogue()[name] for name in SINGLE):
        for output in record.outputs:
            source = sources[(number + len(combined)) % len(sources)]
            listed = ", ".join(f"{parameter.default:g}" for parameter in record.parameters)
            dot = f".{output.name}" if len(record.outputs) > 1 else ""
            combined.append(f"{record.name}({listed}, {source}){dot}")
    return [*combined, "ema(3, ema(3, ema(3)))", "ema(3, ema(3, rsi(3)))[2]", "5 / ema(3, 5 / (close / volume))"]


def told(conditions: list[Condition], candles: pl.DataFrame) -> dict[tuple[str, int], float]:
    """(operand, open time) -> its value, from its formula over the whole history."""
    values = {}
    for series, history in histories_of(candles).items():
        columns = {name: history[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
        for condition in conditions:
            if condition.series != series:
                continue
            operand, _ = operands(condition.tree)
            for open_ms, value in zip(
                history["open_time"].dt.epoch("ms").to_list(), values_over(operand, columns).tolist(), strict=True
            ):
                values[condition.id, open_ms] = value
    return values


@pytest.mark.parametrize("seed", range(2))
def test_live_is_the_formula_wherever_it_restarts(sample: pl.DataFrame, seed: int) -> None:
    """Bit for bit, on candles with gaps and candles without volume, of series that share lanes."""
    dice = random.Random(seed)
    symbols = ["BTCUSDT", "SOLUSDT", "DOGEUSDT"]
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    hourly = sample.filter(
        pl.col("symbol").is_in(symbols)
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(begin, begin + 160 * HOUR, closed="left")
    )
    keep = pl.Series([dice.random() > 0.04 for _ in range(hourly.height)])
    idle = pl.Series([dice.random() < 0.04 for _ in range(hourly.height)])
    candles = hourly.with_columns(pl.when(idle).then(0.0).otherwise(pl.col("volume")).alias("volume")).filter(keep)
    conditions = [
        Condition.parse(f"{symbol} 1h: every({text} >= -1e15)")
        for symbol in symbols
        for text in every_combination()
        if "[" not in text
    ]
    first, slots = 60, 100
    expected = {
        key: value
        for key, value in told(conditions, candles).items()
        if np.isfinite(value) and key[1] >= to_ms(begin + first * HOUR)
    }
    restarts = {dice.randrange(1, slots) for _ in range(3)}
    fired = run_live(conditions, histories_of(candles), to_ms(begin + first * HOUR), slots, restarts)
    live = {(one.condition.id, open_ms): value for open_ms, one in fired for value in one.values.values()}
    assert len(live) > 5_000
    assert {key: value.hex() for key, value in live.items()} == {key: value.hex() for key, value in expected.items()}


def test_a_scan_is_the_formula_however_it_is_cut(sample: pl.DataFrame) -> None:
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    candles = sample.filter(
        (pl.col("symbol") == "BTCUSDT")
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(begin, begin + 700 * HOUR, closed="left")
    )
    conditions = [Condition.parse(f"BTCUSDT 1h: {text} > 1") for text in every_combination()]
    plan, histories = make_plan(conditions), histories_of(candles)
    columns = {name: candles[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    history = {series: FrameHistory(frame) for series, frame in histories.items()}
    for span in (64, 4096):
        rows = [each.values[:, 1:].copy() for each in HistoryEvaluator(plan, history, Calendars(), span=span).rows()]
        values = np.concatenate(rows, axis=1)
        for condition in plan.conditions:
            ((operand, slot),) = plan.shown[plan.position(condition)]
            offset = operand.offset if isinstance(operand, IndicatorOutput) else 0
            whole = values_over(
                replace(operand, offset=0) if isinstance(operand, IndicatorOutput) else operand, columns
            )
            assert identical(values[slot][offset:].copy(), whole[: whole.size - offset].copy()), str(condition)


def test_what_is_computed_once_is_computed_once() -> None:
    """Whoever reads it: as an operand or as a source, alone or inside something else."""
    texts = (
        "rsi(14) crosses_above ema(9, rsi(14))",
        "sma(9, rsi(14)) > 50",
        "ema(9, rsi(14)) < 30",
        "rsi(14) < 30",
        "sma(20, high - low) > sma(50, high - low)",
        "ema(9, ema(9)) > ema(9)",
    )
    plan = make_plan(Condition.parse(f"{symbol} 1h: {text}") for symbol in ("BTCUSDT", "ETHUSDT") for text in texts)
    computed = sorted(f"{block.indicator.name} of {block.computation.source}" for block in plan.indicators)
    assert computed == [
        "ema of close",
        "ema of ema(9, close)",
        "ema of rsi(14, close)",
        "rsi of close",
        "sma of high - low",
        "sma of high - low",
        "sma of rsi(14, close)",
    ]
    assert plan.lanes.tolist() == [7, 7]
    assert len(plan.layout.blocks) == len(computed) + 1
    crossing = plan.position(Condition.parse(f"BTCUSDT 1h: {texts[0]}"))
    assert int(plan.indicator_counts[crossing]) == 2


def test_an_inner_lane_that_is_added_later_moves_first(sample: pl.DataFrame) -> None:
    """A block with a spare lane for the outer indicator may be older than the one of its inner indicator."""
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    symbols = sample["symbol"].unique().sort().head(6).to_list()
    candles = sample.filter(
        pl.col("symbol").is_in(symbols)
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(begin, begin + 80 * HOUR, closed="left")
    )
    plan = make_plan([Condition.parse(f"{symbols[0]} 1h: ema(3, rsi(5)) > 0")])
    for symbol in symbols[1:3]:
        plan.extend([Condition.parse(f"{symbol} 1h: ema(3, rsi(5)) > 0")])
    plan.extend([Condition.parse(f"{symbol} 1h: rsi(5) > 0") for symbol in symbols[3:]])
    plan.extend([Condition.parse(f"{symbol} 1h: ema(3, rsi(5)) > 0") for symbol in symbols[3:]])
    inner, outer = ([block for block in plan.indicators if block.indicator.name == name] for name in ("rsi", "ema"))
    assert len(inner) > 1
    assert len(outer) > 1
    orders = [plan.layout.blocks.index(block) for block in (inner[-1], outer[1])]
    evaluator = Evaluator(plan)
    histories = histories_of(candles)
    for index, series in enumerate(plan.series):
        evaluator.restore({index: (histories[series].head(40), None)})
    load = loader(histories)
    everything = np.ones(len(plan.series), np.bool_)
    for hour in range(40, 80):
        open_ms = to_ms(begin + hour * HOUR)
        matrix = np.zeros((len(CANDLE_ROWS), len(plan.series)))
        slot = load("1h", open_ms)
        for index, series in enumerate(plan.series):
            matrix[:5, index] = slot[series]
        evaluator.step("1h", matrix, everything, everything)
    for position, condition in enumerate(plan.conditions):
        columns = {name: histories[condition.series][name].to_numpy() for name in ("close", "volume")}
        ((operand, place),) = plan.shown[position]
        assert evaluator._now[place] == values_over(operand, columns)[-1], (str(condition), orders)


@pytest.mark.parametrize(
    ("operand", "published"),
    [
        # Patrick Mulloy, "Smoothing Data with Faster Moving Averages", Stocks & Commodities 12:1 (1994); the values are
        # facts from Stock.Indicators (Apache-2.0), Dema and Tema.StaticSeries.Tests.cs, on the candles of the file.
        ("2 * ema(20) - ema(20, ema(20))", {249: 258.4452, 501: 241.1677}),
        ("3 * ema(20) - 3 * ema(20, ema(20)) + ema(20, ema(20, ema(20)))", {249: 258.6208, 501: 238.7690}),
    ],
)
def test_published_averages_of_averages(operand: str, published: dict[int, float]) -> None:
    values = over(operand, golden("stochrsi"))
    for candle, value in published.items():
        assert values[candle] == pytest.approx(value, abs=5e-5)


def test_the_published_stochastic_rsi_in_words() -> None:
    """``StochRsi(14, 14, 3, 1)`` of the same library; ``tests/indicators/golden/stochrsi.csv`` names its source."""
    columns = golden("stochrsi")
    fast = over("100 * (rsi(14) - lowest(14, rsi(14))) / (highest(14, rsi(14)) - lowest(14, rsi(14)))", columns)
    np.testing.assert_allclose(fast, columns["fast"], rtol=0, atol=1e-10)
    assert fast[31] == pytest.approx(93.3333, abs=5e-5)


@pytest.mark.parametrize("operator", ARITHMETIC)
def test_arithmetic_is_the_same_wherever_it_is_calculated(operator: str) -> None:
    """In a comparison, in a source, in a scan: to the last bit, and NaN where anything is not finite."""
    values = np.array([0.0, -0.0, 1.0, -3.7, 0.1, 1e-310, 1e308, -1e308, np.inf, -np.inf, np.nan])
    left, right = (side.ravel() for side in np.meshgrid(values, values))
    code = ARITHMETIC.index(operator)
    scanned = calculate(code, left, right)
    live, judged = ([function(code, *pair) for pair in zip(left, right, strict=True)] for function in CALCULATIONS)
    for other in (np.array(live), np.array(judged)):
        np.testing.assert_array_equal(np.isnan(other), np.isnan(scanned))
        known = ~np.isnan(scanned)
        assert identical(other[known], scanned[known])
    finite = np.isfinite(left) & np.isfinite(right)
    assert not np.isfinite(scanned[~finite]).any()
    assert not np.isinf(scanned).any()

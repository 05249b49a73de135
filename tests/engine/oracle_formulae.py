"""Indicators by their formulae, for the slow oracle: plain Python and numpy, sharing nothing with ``indicators/``.

Conventions are TA-Lib's where it has the function (``test_oracle_formulae.py`` holds them to it), the authors'
elsewhere. A formula takes a source (values of a price or of anything else), all columns and its parameters,
and gives each output with the **error** that another careful calculation may differ by, candle by candle: 5e-10 of the
scale of what it was computed from, so that two of them make the 1e-9 of the margin rule. What is picked and not
computed (a highest high), or computed in the only way there is (the mean of two prices), has no error.

A new indicator is one function and one line of ``FORMULAE``.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]
Value = tuple[Floats, Floats]
"""Values and their errors."""
Outputs = dict[str, Value]

SHARE = 5e-10
"""Error of a computed value relative to its scale."""

_TRIES, _EFFECTS, _LATELY = 4, 4, 20
"""How often a source is disturbed by its errors, how many times the largest effect counts, and for how many candles."""


@dataclass(frozen=True)
class Formula:
    """How an indicator is computed, and which of its outputs and parameters conditions use.

    ``outputs`` says what an output can be compared with: another ``price``, a ``percent`` or any other ``number``.
    """

    function: Callable[..., Outputs]
    outputs: Mapping[str, str]
    choices: tuple[tuple[float, ...], ...]
    """Parameters that random conditions use."""


def values_of(name: str, columns: Columns, source: str | Value | None, parameters: tuple[float, ...]) -> Outputs:
    """All outputs of an indicator over the candles of a series; ``columns`` has the prices and ``open_time`` in ms.

    ``source`` is a price, or values with errors. What their errors do to the outputs is tried: the source is disturbed
    by its errors with random signs, and the largest effect of late, several times over, is added to the own error.
    """
    whole = [int(number) if number == int(number) else number for number in parameters]
    function = FORMULAE[name].function
    with np.errstate(all="ignore"):
        if source is None or isinstance(source, str):
            return function(price(columns, source or SOURCES.get(name, "close")), columns, *whole)
        values, errors = source
        values = np.where(np.isfinite(values), values, np.nan)
        outputs = function(values, columns, *whole)
        if not np.nan_to_num(errors).any():
            return outputs
        dice = np.random.default_rng(0)
        effects = {output: np.zeros(values.size) for output in outputs}
        for _ in range(_TRIES):
            disturbed = function(values + errors * dice.choice((-1.0, 1.0), values.size), columns, *whole)
            for output, (other, _) in disturbed.items():
                apart = np.abs(other - outputs[output][0])
                # Known here and unknown there: anything may be.
                unsure = np.isfinite(other) != np.isfinite(outputs[output][0])
                effects[output] = np.fmax(effects[output], np.where(unsure, np.inf, apart))
        return {
            output: (known, error + _EFFECTS * _largest_lately(effects[output]))
            for output, (known, error) in outputs.items()
        }


def _largest_lately(effects: Floats) -> Floats:
    """The largest of the last effects; what is not known after a disturbance says nothing about later candles."""
    finite = np.where(np.isfinite(effects), effects, 0.0)
    largest = effects.copy()
    for back in range(1, _LATELY):
        largest[back:] = np.fmax(largest[back:], finite[:-back])
    return np.nan_to_num(largest, posinf=np.inf)


def price(columns: Columns, field: str) -> Floats:
    """A column, or a mean of columns summed from left to right: exact, as it is the same float64 for everybody.

    A mean that only rounding tells from the close is the close.
    """
    begin, high, low, close = (columns[name] for name in ("open", "high", "low", "close"))
    means = {"hl2": (high + low) / 2, "hlc3": (high + low + close) / 3, "ohlc4": (begin + high + low + close) / 4}
    if field not in means or field == "hl2":
        return means.get(field, columns.get(field, close))
    mean = means[field]
    return np.where(np.abs(mean - close) < 1e-14 * np.abs(mean) + 1e-14 * np.abs(close), close, mean)


# Errors.


def like(scale: Floats, values: Floats) -> Value:
    """Computed from values of the size of ``scale``, whose largest so far may still echo in it."""
    return values, SHARE * np.fmax.accumulate(np.abs(scale))


def sized(scale: float, values: Floats) -> Value:
    """On a scale of its own, such as 100 for a percentage."""
    return values, np.full(values.size, SHARE * scale)


def exactly(values: Floats) -> Value:
    """Picked, not computed."""
    return values, np.zeros(values.size)


# Building blocks. A NaN at the beginning of an input is a candle without a value: the block begins after it.


def blank(values: Floats) -> Floats:
    return np.full(values.size, np.nan)


def first(values: Floats) -> int:
    """Row of the first value."""
    there = np.flatnonzero(np.isfinite(values))
    return int(there[0]) if there.size else values.size


def over(values: Floats, length: int, reduce: Callable[[Floats], float]) -> Floats:
    """``reduce`` of the last ``length`` values."""
    reduced = blank(values)
    for row in range(length - 1, values.size):
        window = values[row - length + 1 : row + 1]
        reduced[row] = reduce(window) if np.isfinite(window).all() else np.nan
    return reduced


def mean_of(window: Floats) -> float:
    # Equal values have themselves as their mean, whatever rounding says.
    return float(window[0]) if (window == window[0]).all() else math.fsum(window) / window.size


def deviation_of(window: Floats) -> float:
    middle = mean_of(window)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in window) / window.size)


def total_of(window: Floats) -> float:
    return math.fsum(window)


def mean(values: Floats, length: int) -> Floats:
    return over(values, length, mean_of)


def highest_of(values: Floats, length: int) -> Floats:
    return over(values, length, max)


def lowest_of(values: Floats, length: int) -> Floats:
    return over(values, length, min)


def smoothed(values: Floats, length: int, weight: float) -> Floats:
    """Exponential average that begins with the mean of the first ``length`` values; it ignores a NaN in between."""
    levels = blank(values)
    seed: list[float] = []
    level = math.nan
    for row in np.flatnonzero(np.isfinite(values)):
        if len(seed) < length:
            seed.append(float(values[row]))
            level = mean_of(np.array(seed)) if len(seed) == length else math.nan
        elif level != values[row]:
            level = level * (1 - weight) + values[row] * weight
        levels[row] = level
    return levels


def exponential(values: Floats, length: int) -> Floats:
    return smoothed(values, length, 2 / (length + 1))


def wilders(values: Floats, length: int) -> Floats:
    return smoothed(values, length, 1 / length)


def changes(values: Floats, steps: int = 1) -> Floats:
    moved = blank(values)
    moved[steps:] = values[steps:] - values[:-steps]
    return moved


def true_range(columns: Columns) -> Floats:
    high, low, close = (columns[name] for name in ("high", "low", "close"))
    ranges = blank(close)
    ranges[1:] = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    return ranges


# Averages.


def sma(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": like(x, mean(x, period))}


def ema(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": like(x, exponential(x, period))}


def weighted(x: Floats, length: int) -> Floats:
    weights = range(1, length + 1)
    return over(x, length, lambda window: math.fsum(map(operator.mul, weights, window)) / sum(weights))


def wma(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": like(x, weighted(x, period))}


def dema(x: Floats, columns: Columns, period: int) -> Outputs:
    once = exponential(x, period)
    return {"value": like(x, 2 * once - exponential(once, period))}


def tema(x: Floats, columns: Columns, period: int) -> Outputs:
    once = exponential(x, period)
    twice = exponential(once, period)
    return {"value": like(x, 3 * once - 3 * twice + exponential(twice, period))}


def hma(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": like(x, weighted(2 * weighted(x, period // 2) - weighted(x, period), math.isqrt(period)))}


def rma(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": like(x, wilders(x, period))}


def vwma(x: Floats, columns: Columns, period: int) -> Outputs:
    volume = columns["volume"]
    return {"value": like(x, over(x * volume, period, total_of) / over(volume, period, total_of))}


def kama(x: Floats, columns: Columns, period: int) -> Outputs:
    average = blank(x)
    way = over(np.abs(changes(x)), period, total_of)
    begin = first(x) + period
    for row in range(begin, x.size):
        efficiency = abs(x[row] - x[row - period]) / way[row] if way[row] else 1.0
        weight = (efficiency * (2 / 3 - 2 / 31) + 2 / 31) ** 2
        before = x[row - 1] if row == begin else average[row - 1]
        average[row] = before + (x[row] - before) * weight
    return {"value": like(x, average)}


# Oscillators.


def up_and_down(x: Floats, period: int) -> tuple[Floats, Floats]:
    """Wilder's averages of the rises and of the falls."""
    change = changes(x)
    up, down = np.where(change > 0, change, 0), np.where(change < 0, -change, 0)
    return tuple(wilders(np.where(np.isnan(change), np.nan, side), period) for side in (up, down))  # type: ignore[return-value]


def rsi_of(x: Floats, period: int) -> Floats:
    up, down = up_and_down(x, period)
    # 0 / 0 without movement.
    return 100 * up / (up + down)


def rsi(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": sized(100, rsi_of(x, period))}


def cmo(x: Floats, columns: Columns, period: int) -> Outputs:
    up, down = up_and_down(x, period)
    return {"value": sized(100, 100 * (up - down) / (up + down))}


def two_lines(fast: Floats, smooth: int, d: int, error: Floats) -> Outputs:
    """A stochastic's line smoothed, and the average of that; both begin together."""
    slow = mean(fast, smooth)
    average = mean(slow, d)
    slow_error = over(error, smooth, max)
    return {"k": (np.where(np.isnan(average), np.nan, slow), slow_error), "d": (average, over(slow_error, d, max))}


def stoch(x: Floats, columns: Columns, k: int, smooth: int, d: int) -> Outputs:
    top, bottom = highest_of(columns["high"], k), lowest_of(columns["low"], k)
    fast = np.where(top == bottom, np.nan, 100 * (columns["close"] - bottom) / (top - bottom))
    return two_lines(fast, smooth, d, sized(100, fast)[1])


def stochrsi(x: Floats, columns: Columns, period: int, k: int, smooth: int, d: int) -> Outputs:
    line = rsi_of(x, period)
    extent, bottom = highest_of(line, k) - lowest_of(line, k), lowest_of(line, k)
    # The RSI of a market at rest moves by its rounding.
    fast = np.where(extent <= 1e-10, np.nan, 100 * (line - bottom) / extent)
    return two_lines(fast, smooth, d, np.where(extent <= 1e-9, 100, 100 * 200 * SHARE / extent))


def macd(x: Floats, columns: Columns, fast: int, slow: int, signal: int) -> Outputs:
    # The fast average is seeded by the values that end where the slow one's seed ends.
    late = x.copy()
    late[: first(x) + slow - fast] = np.nan
    line = exponential(late, fast) - exponential(x, slow)
    average = exponential(line, signal)
    line = np.where(np.isnan(average), np.nan, line)
    return {"line": like(x, line), "signal": like(x, average), "histogram": like(x, line - average)}


def ppo(x: Floats, columns: Columns, fast: int, slow: int, signal: int) -> Outputs:
    # Unlike MACD's, the fast average begins with the series.
    long = exponential(x, slow)
    line = np.where(long == 0, np.nan, 100 * (exponential(x, fast) - long) / long)
    average = exponential(line, signal)
    line = np.where(np.isnan(average), np.nan, line)
    error = np.fmax.accumulate(400 * like(x, x)[1] / np.abs(long))
    return {"line": (line, error), "signal": (average, error), "histogram": (line - average, 2 * error)}


def cci(x: Floats, columns: Columns, period: int) -> Outputs:
    typical = price(columns, "hlc3")
    middle = mean(typical, period)
    width = over(typical, period, lambda window: mean_of(np.abs(window - mean_of(window))))
    flat = width <= 1e-14 * np.abs(typical)
    index = np.where(flat, np.nan, (typical - middle) / (0.015 * width))
    return {"value": (index, np.where(flat, 0, 4 * like(typical, typical)[1] / (0.015 * width) * (1 + np.abs(index))))}


def mfi(x: Floats, columns: Columns, period: int) -> Outputs:
    typical = price(columns, "hlc3")
    flow, change = typical * columns["volume"], changes(typical)
    moved = np.abs(change) > 1e-14 * typical
    rises = over(np.where(np.isnan(change), np.nan, np.where(moved & (change > 0), flow, 0)), period, total_of)
    falls = over(np.where(np.isnan(change), np.nan, np.where(moved & (change < 0), flow, 0)), period, total_of)
    return {"value": sized(100, 100 * rises / (rises + falls))}


def williams_r(x: Floats, columns: Columns, period: int) -> Outputs:
    top, bottom = highest_of(columns["high"], period), lowest_of(columns["low"], period)
    return {"value": sized(100, np.where(top == bottom, np.nan, -100 * (top - columns["close"]) / (top - bottom)))}


def roc(x: Floats, columns: Columns, period: int) -> Outputs:
    earlier = x - changes(x, period)
    earlier[period:] = x[:-period]
    share = x / earlier
    return {"value": (np.where(earlier == 0, np.nan, 100 * (share - 1)), 100 * SHARE * (1 + np.abs(share)))}


def mom(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": exactly(changes(x, period))}


def ultosc(x: Floats, columns: Columns, short: int, medium: int, long: int) -> Outputs:
    low, close = columns["low"], columns["close"]
    bought = blank(close)
    bought[1:] = close[1:] - np.minimum(low[1:], close[:-1])
    reach = true_range(columns)
    parts = []
    for length in (short, medium, long):
        whole = over(reach, length, total_of)
        parts.append(np.where(whole == 0, np.nan, over(bought, length, total_of) / whole))
    return {"value": sized(100, 100 * (4 * parts[0] + 2 * parts[1] + parts[2]) / 7)}


def trix(x: Floats, columns: Columns, period: int) -> Outputs:
    thrice = exponential(exponential(exponential(x, period), period), period)
    earlier = thrice - changes(thrice)
    earlier[1:] = thrice[:-1]
    rates = np.where(earlier == 0, np.nan, 100 * (thrice - earlier) / earlier)
    return {"value": (rates, 400 * like(x, x)[1] / np.abs(thrice))}


# Trend.


def fading_sums(values: Floats, period: int) -> Floats:
    """Wilder's sums: they begin with the values 1..period - 1, lose a share and take the newest."""
    sums = blank(values)
    level = math.fsum(values[1:period])
    for row in range(period, values.size):
        level = level - level / period + values[row]
        sums[row] = level
    return sums


def adx(x: Floats, columns: Columns, period: int, smoothing: int) -> Outputs:
    rise, fall = changes(columns["high"]), -changes(columns["low"])
    up = np.where((rise > 0) & (rise > fall), rise, 0)
    down = np.where((fall > 0) & (fall > rise), fall, 0)
    reach = fading_sums(true_range(columns), period)
    plus, minus = 100 * fading_sums(up, period) / reach, 100 * fading_sums(down, period) / reach
    # 0 / 0 without a direction: the average leaves that candle out.
    value = wilders(100 * np.abs(plus - minus) / (plus + minus), smoothing)
    early = np.arange(reach.size) < period + smoothing - 1
    return {
        "plus_di": sized(100, np.where(early, np.nan, plus)),
        "minus_di": sized(100, np.where(early, np.nan, minus)),
        "value": sized(100, value),
    }


def aroon(x: Floats, columns: Columns, period: int) -> Outputs:
    def line(values: Floats) -> Floats:
        # Of equal extremes the newest counts.
        ages = over(values, period + 1, lambda window: int(np.argmax(window[::-1])))
        return 100 * (period - ages) / period

    up, down = line(columns["high"]), line(-columns["low"])
    return {"up": exactly(up), "down": exactly(down), "oscillator": exactly(up - down)}


def psar(x: Floats, columns: Columns, step: float, most: float) -> Outputs:
    high, low = columns["high"], columns["low"]
    stops = blank(high)
    is_long, stop, extreme, factor = True, math.nan, math.nan, step
    for row in range(1, high.size):
        if row == 1:
            is_long = not (low[0] - low[1] > max(0, high[1] - high[0]))
            stop, extreme = (low[0], high[1]) if is_long else (high[0], low[1])
            lows, highs = (low[1], low[1]), (high[1], high[1])
        else:
            lows, highs = (low[row - 1], low[row]), (high[row - 1], high[row])
        if is_long and low[row] <= stop:
            is_long, factor = False, step
            stop = max(extreme, *highs)
            stops[row], extreme = stop, low[row]
            stop = max(stop + factor * (extreme - stop), *highs)
        elif is_long:
            stops[row] = stop
            if high[row] > extreme:
                extreme, factor = high[row], min(factor + step, most)
            stop = min(stop + factor * (extreme - stop), *lows)
        elif high[row] >= stop:
            is_long, factor = True, step
            stop = min(extreme, *lows)
            stops[row], extreme = stop, high[row]
            stop = min(stop + factor * (extreme - stop), *lows)
        else:
            stops[row] = stop
            if low[row] < extreme:
                extreme, factor = low[row], min(factor + step, most)
            stop = max(stop + factor * (extreme - stop), *highs)
    return {"value": like(high, stops)}


def supertrend(x: Floats, columns: Columns, period: int, multiplier: float) -> Outputs:
    high, low, close = (columns[name] for name in ("high", "low", "close"))
    reach = multiplier * wilders(true_range(columns), period)
    value, direction = blank(close), blank(close)
    is_up, upper, lower = True, math.nan, math.nan
    for row in range(period, close.size):
        top, bottom = (high[row] + low[row]) / 2 + reach[row], (high[row] + low[row]) / 2 - reach[row]
        if row > period:
            top = top if top < upper or close[row - 1] > upper else upper
            bottom = bottom if bottom > lower or close[row - 1] < lower else lower
            is_up = close[row] >= bottom if is_up else close[row] > top
        upper, lower = top, bottom
        value[row], direction[row] = (lower, 1) if is_up else (upper, -1)
    return {"value": like(high, value), "direction": exactly(direction)}


def middle_of(columns: Columns, length: int) -> Floats:
    return (highest_of(columns["high"], length) + lowest_of(columns["low"], length)) / 2


def ichimoku(x: Floats, columns: Columns, conversion: int, base: int, span: int) -> Outputs:
    lines = [middle_of(columns, length) for length in (conversion, base, span)]
    late = np.isnan(lines).any(axis=0)
    short, medium, long = (np.where(late, np.nan, line) for line in lines)
    return {
        "conversion": exactly(short),
        "base": exactly(medium),
        "span_a": exactly((short + medium) / 2),
        "span_b": exactly(long),
    }


# Channels and volatility.


def bbands(x: Floats, columns: Columns, period: int, stddev: float) -> Outputs:
    middle = mean(x, period)
    reach = stddev * over(x, period, deviation_of)
    upper, lower = middle + reach, middle - reach
    _, error = like(x, middle)
    width = upper - lower
    place = (x - lower) / width
    return {
        "upper": like(x, upper),
        "middle": like(x, middle),
        "lower": like(x, lower),
        "percent_b": (place, 2 * error / width * (1 + np.abs(place))),
        "bandwidth": (width / middle, 4 * error / np.abs(middle)),
    }


def keltner(x: Floats, columns: Columns, period: int, multiplier: float, atr_period: int) -> Outputs:
    begin = max(period - 1, atr_period)
    late, reach = x.copy(), true_range(columns)
    # Both averages are seeded by their last values up to the first candle that has them.
    late[: first(x) + begin - period + 1] = np.nan
    reach[: begin - atr_period + 1] = np.nan
    middle, width = exponential(late, period), multiplier * wilders(reach, atr_period)
    scale = np.maximum(np.abs(x), columns["high"])
    return {"upper": like(scale, middle + width), "middle": like(scale, middle), "lower": like(scale, middle - width)}


def donchian(x: Floats, columns: Columns, period: int) -> Outputs:
    top, bottom = highest_of(columns["high"], period), lowest_of(columns["low"], period)
    return {"upper": exactly(top), "middle": exactly((top + bottom) / 2), "lower": exactly(bottom)}


def atr(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": like(columns["high"], wilders(true_range(columns), period))}


def natr(x: Floats, columns: Columns, period: int) -> Outputs:
    close = columns["close"]
    percent = 100 * wilders(true_range(columns), period) / close
    return {"value": (np.where(close == 0, np.nan, percent), 100 * like(columns["high"], close)[1] / np.abs(close))}


def stdev(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": like(x, over(x, period, deviation_of))}


# Volume.


def obv(x: Floats, columns: Columns) -> Outputs:
    signs = np.sign(changes(columns["close"]))
    signs[:1] = 1
    return {"value": exactly(np.cumsum(signs * columns["volume"]))}


def vwap(x: Floats, columns: Columns, period: int) -> Outputs:
    flow, volume = price(columns, "hlc3") * columns["volume"], columns["volume"]
    if period:
        return {"value": like(columns["high"], over(flow, period, total_of) / over(volume, period, total_of))}
    days = columns["open_time"] // 86_400_000
    averages = blank(volume)
    for row in range(days.size):
        begin = int(np.searchsorted(days, days[row]))
        averages[row] = np.float64(total_of(flow[begin : row + 1])) / total_of(volume[begin : row + 1])
    return {"value": like(columns["high"], averages)}


def money_flow(columns: Columns) -> Floats:
    high, low, close, volume = (columns[name] for name in ("high", "low", "close", "volume"))
    return np.where(high == low, 0.0, ((close - low) - (high - close)) / (high - low) * volume)


def cmf(x: Floats, columns: Columns, period: int) -> Outputs:
    volume = over(columns["volume"], period, total_of)
    return {"value": sized(1, over(money_flow(columns), period, total_of) / volume)}


def ad(x: Floats, columns: Columns) -> Outputs:
    return {"value": like(np.cumsum(columns["volume"]), np.cumsum(money_flow(columns)))}


# Others.


def heikin_ashi(x: Floats, columns: Columns) -> Outputs:
    close, begin = price(columns, "ohlc4"), blank(x)
    for row in range(x.size):
        before = (columns["open"][0] + columns["close"][0]) if row == 0 else begin[row - 1] + close[row - 1]
        begin[row] = before / 2
    return {
        "open": exactly(begin),
        "high": exactly(np.maximum(columns["high"], np.maximum(begin, close))),
        "low": exactly(np.minimum(columns["low"], np.minimum(begin, close))),
        "close": exactly(close),
    }


def highest(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": exactly(highest_of(x, period))}


def lowest(x: Floats, columns: Columns, period: int) -> Outputs:
    return {"value": exactly(lowest_of(x, period))}


def linreg(x: Floats, columns: Columns, period: int) -> Outputs:
    places = [place - (period - 1) / 2 for place in range(period)]
    spread = math.fsum(place * place for place in places)

    def slope_of(window: Floats) -> float:
        middle = mean_of(window)
        return math.fsum(place * (value - middle) for place, value in zip(places, window, strict=True)) / spread

    slope = over(x, period, slope_of)
    return {"value": like(x, mean(x, period) + slope * (period - 1) / 2), "slope": like(x, slope)}


def zscore(x: Floats, columns: Columns, period: int) -> Outputs:
    width = over(x, period, deviation_of)
    scores = (x - mean(x, period)) / width
    return {"value": (scores, 2 * like(x, x)[1] / width * (1 + np.abs(scores)))}


_PRICE, _PERCENT, _NUMBER = {"value": "price"}, {"value": "percent"}, {"value": "number"}
_PERIODS = ((2,), (3,), (5,), (9,), (14,))
_LONGER = ((4,), (7,), (12,))
_LINES = {"line": "number", "signal": "number", "histogram": "number"}
_BANDS = {"upper": "price", "middle": "price", "lower": "price"}
_K_AND_D = {"k": "percent", "d": "percent"}

SOURCES = {"keltner": "hlc3"}
"""What an indicator is computed from if the condition names no source, where that is not the close."""

FORMULAE: dict[str, Formula] = {
    "sma": Formula(sma, _PRICE, _PERIODS),
    "ema": Formula(ema, _PRICE, _PERIODS),
    "wma": Formula(wma, _PRICE, _PERIODS),
    "dema": Formula(dema, _PRICE, _PERIODS),
    "tema": Formula(tema, _PRICE, _PERIODS),
    "hma": Formula(hma, _PRICE, _LONGER),
    "rma": Formula(rma, _PRICE, _PERIODS),
    "vwma": Formula(vwma, _PRICE, _PERIODS),
    "kama": Formula(kama, _PRICE, _LONGER),
    "rsi": Formula(rsi, _PERCENT, _PERIODS),
    "stoch": Formula(stoch, _K_AND_D, ((5, 3, 3), (3, 1, 2), (8, 2, 1))),
    "stochrsi": Formula(stochrsi, _K_AND_D, ((5, 5, 3, 3), (3, 4, 1, 2))),
    "macd": Formula(macd, _LINES, ((3, 7, 4), (5, 9, 3), (2, 12, 2))),
    "ppo": Formula(ppo, _LINES, ((3, 7, 4), (5, 9, 3), (2, 12, 2))),
    "cci": Formula(cci, _NUMBER, _LONGER),
    "mfi": Formula(mfi, _PERCENT, _LONGER),
    "williams_r": Formula(williams_r, _PERCENT, _PERIODS),
    "roc": Formula(roc, _NUMBER, _PERIODS),
    "mom": Formula(mom, _NUMBER, _PERIODS),
    "cmo": Formula(cmo, _PERCENT, _PERIODS),
    "ultosc": Formula(ultosc, _PERCENT, ((2, 4, 8), (3, 5, 7))),
    "trix": Formula(trix, _NUMBER, ((2,), (4,))),
    "adx": Formula(adx, {"plus_di": "percent", "minus_di": "percent", "value": "percent"}, ((3, 3), (5, 5), (9, 4))),
    "aroon": Formula(aroon, {"up": "percent", "down": "percent", "oscillator": "number"}, _LONGER),
    "psar": Formula(psar, _PRICE, ((0.02, 0.2), (0.1, 0.5))),
    "supertrend": Formula(supertrend, {"value": "price", "direction": "number"}, ((5, 2), (8, 1.5))),
    "ichimoku": Formula(
        ichimoku,
        {"conversion": "price", "base": "price", "span_a": "price", "span_b": "price"},
        ((3, 6, 12), (4, 9, 7)),
    ),
    "bbands": Formula(bbands, _BANDS | {"percent_b": "number", "bandwidth": "number"}, ((4, 1), (8, 2), (5, 1.5))),
    "keltner": Formula(keltner, _BANDS, ((5, 1.5, 3), (4, 1, 9))),
    "donchian": Formula(donchian, _BANDS, _PERIODS),
    "atr": Formula(atr, _NUMBER, _PERIODS),
    "natr": Formula(natr, _NUMBER, _PERIODS),
    "stdev": Formula(stdev, _NUMBER, _LONGER),
    "obv": Formula(obv, _NUMBER, ((),)),
    "vwap": Formula(vwap, _PRICE, ((0,), (5,), (9,))),
    "cmf": Formula(cmf, _NUMBER, _LONGER),
    "ad": Formula(ad, _NUMBER, ((),)),
    "heikin_ashi": Formula(heikin_ashi, {"open": "price", "high": "price", "low": "price", "close": "price"}, ((),)),
    "highest": Formula(highest, _PRICE, _PERIODS),
    "lowest": Formula(lowest, _PRICE, _PERIODS),
    "linreg": Formula(linreg, {"value": "price", "slope": "number"}, _LONGER),
    "zscore": Formula(zscore, _NUMBER, _LONGER),
}
"""Name -> formula. Entries that the catalogue does not have are not used."""

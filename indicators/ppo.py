"""Percentage price oscillator (Appel).

Formula: line = 100 * (EMA(fast) - EMA(slow)) / EMA(slow); signal = EMA(signal) of the line; histogram = line - signal.
Seed: each average by the mean of the first ``fast``, ``slow`` or ``signal`` values it gets. All three outputs begin
together, at candle slow + signal - 2.
Range: unbounded, around 0.
Flat: exactly 0; NaN where the slow average is 0, which the signal then leaves out.
Source: TA-Lib's PPO with exponential averages, which gives only the line, signal - 1 candles earlier, and 0 for a slow
average below 1e-14. Unlike MACD's, the fast average begins with the series.

Settling: the slow average's seed has to fade from the line, then the line's error and the signal's seed from the
signal. The line is small compared with the prices it comes from, so a hundredth of the usual share is required.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import is_nothing
from indicators.steps.smoothing import fading, follow, smooth


def fast_average(source: float, fast_seen: float, fast_level: float, fast: float) -> tuple[float, float, float]:
    """One candle: (short, seen, level)."""
    return smooth(source, fast_seen, fast_level, fast, 2.0 / (fast + 1.0))


def fast_follows(source: float, fast_seen: float, fast_level: float, fast: float) -> tuple[float, float, float]:
    """One candle after the seed."""
    fast_level = follow(source, fast_level, 2.0 / (fast + 1.0))
    return fast_level, fast_seen, fast_level


def slow_average(source: float, slow_seen: float, slow_level: float, slow: float) -> tuple[float, float, float]:
    """One candle: (long, seen, level)."""
    return smooth(source, slow_seen, slow_level, slow, 2.0 / (slow + 1.0))


def slow_follows(source: float, slow_seen: float, slow_level: float, slow: float) -> tuple[float, float, float]:
    """One candle after the seed."""
    slow_level = follow(source, slow_level, 2.0 / (slow + 1.0))
    return slow_level, slow_seen, slow_level


def distance(short: float, long: float) -> float:
    """How far the short average is above the long one, in percent of it."""
    share = (short - long) / long
    return math.nan if is_nothing(long) else 100.0 * share


def signal_average(ahead: float, signal_seen: float, signal_level: float, signal: float) -> tuple[float, float, float]:
    """One candle: (signal, seen, level)."""
    return smooth(ahead, signal_seen, signal_level, signal, 2.0 / (signal + 1.0))


def signal_follows(ahead: float, signal_seen: float, signal_level: float, signal: float) -> tuple[float, float, float]:
    """One candle after the seed."""
    signal_level = follow(ahead, signal_level, 2.0 / (signal + 1.0))
    return signal_level, signal_seen, signal_level


def lines(ahead: float, average: float) -> tuple[float, float, float]:
    """One candle: (line, signal, histogram)."""
    return math.nan if math.isnan(average) else ahead, average, ahead - average


def _lookback(parameters: Parameters) -> int:
    return int(parameters["slow"] + parameters["signal"]) - 2


def _settle(parameters: Parameters) -> int:
    averages = (parameters["slow"], parameters["signal"])
    return _lookback(parameters) + sum(fading(2.0 / (period + 1.0), 1e-8) for period in averages)


def _rule(parameters: Parameters) -> str | None:
    if parameters["fast"] < parameters["slow"]:
        return None
    return f"fast must be below slow, got fast={parameters['fast']:g} and slow={parameters['slow']:g}"


INDICATOR = Indicator(
    name="ppo",
    title="Percentage price oscillator",
    aliases=("percentage_price_oscillator",),
    inputs=("source",),
    parameters=(Parameter("fast", 12, 2, 1000), Parameter("slow", 26, 2, 1000), Parameter("signal", 9, 2, 1000)),
    outputs=(Output("line", centre=0), Output("signal", centre=0), Output("histogram", centre=0)),
    stages=(
        Step(fast_average, gives=("short",), state={"fast_seen": 0.0, "fast_level": 0.0}, steady=fast_follows),
        Step(slow_average, gives=("long",), state={"slow_seen": 0.0, "slow_level": 0.0}, steady=slow_follows),
        Step(distance, gives=("ahead",)),
        Step(
            signal_average, gives=("average",), state={"signal_seen": 0.0, "signal_level": 0.0}, steady=signal_follows
        ),
        Step(lines, gives=("line", "signal", "histogram")),
    ),
    lookback=_lookback,
    settle=_settle,
    default_output="line",
    rule=_rule,
    undefined="a slow average of 0",
    version=2,
)

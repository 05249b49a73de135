"""Moving average convergence/divergence (Appel).

Formula: line = EMA(fast) - EMA(slow); signal = EMA(signal) of the line; histogram = line - signal.
Seed: the slow average by the mean of the first ``slow`` values, the fast one by the mean of the ``fast`` values that
end at the same candle, the signal by the mean of the line's first ``signal`` values. All three outputs begin together,
at candle slow + signal - 2.
Range: unbounded, around 0.
Flat: exactly 0.
Source: TA-Lib's MACD. Other definitions (Skender, charting platforms) seed the fast average with the first ``fast``
values and give the line before the signal; the values agree once they have settled.

Settling: the slow average's seed has to fade from the line, then the line's error and the signal's seed from the
signal. The line is small compared with the prices it comes from, so a hundredth of the usual share is required.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import faded
from indicators.steps.smoothing import fading, follow, smooth


def step(
    source: float,
    fast_seen: float,
    fast_level: float,
    slow_seen: float,
    slow_level: float,
    signal_seen: float,
    signal_level: float,
    fast: float,
    slow: float,
    signal: float,
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """One candle: (line, signal, histogram), then the state."""
    quick = source if slow_seen >= slow - fast else math.nan
    short, fast_seen, fast_level = smooth(quick, fast_seen, fast_level, fast, 2.0 / (fast + 1.0))
    long, slow_seen, slow_level = smooth(source, slow_seen, slow_level, slow, 2.0 / (slow + 1.0))
    line = faded(short - long)
    average, signal_seen, signal_level = smooth(line, signal_seen, signal_level, signal, 2.0 / (signal + 1.0))
    average = faded(average)
    if math.isnan(average):
        line = math.nan
    gives = line, average, line - average
    return *gives, fast_seen, fast_level, slow_seen, slow_level, signal_seen, signal_level


def steady(
    source: float,
    fast_seen: float,
    fast_level: float,
    slow_seen: float,
    slow_level: float,
    signal_seen: float,
    signal_level: float,
    fast: float,
    slow: float,
    signal: float,
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """One candle after the seeds."""
    fast_level = follow(source, fast_level, 2.0 / (fast + 1.0))
    slow_level = follow(source, slow_level, 2.0 / (slow + 1.0))
    line = faded(fast_level - slow_level)
    signal_level = follow(line, signal_level, 2.0 / (signal + 1.0))
    average = faded(signal_level)
    gives = line, average, line - average
    return *gives, fast_seen, fast_level, slow_seen, slow_level, signal_seen, signal_level


def _lookback(parameters: Parameters) -> int:
    return int(parameters["slow"] + parameters["signal"]) - 2


def _settle(parameters: Parameters) -> int:
    averages = (parameters["slow"], parameters["signal"])
    return _lookback(parameters) + sum(fading(2.0 / (period + 1.0), 1e-8) for period in averages)


def _rule(parameters: Parameters) -> str | None:
    if parameters["fast"] < parameters["slow"]:
        return None
    return f"fast must be below slow, got fast={parameters['fast']:g} and slow={parameters['slow']:g}"


_STATE = ("fast_seen", "fast_level", "slow_seen", "slow_level", "signal_seen", "signal_level")

INDICATOR = Indicator(
    name="macd",
    title="Moving average convergence/divergence",
    aliases=("moving_average_convergence_divergence",),
    inputs=("source",),
    parameters=(Parameter("fast", 12, 2, 1000), Parameter("slow", 26, 2, 1000), Parameter("signal", 9, 2, 1000)),
    outputs=(Output("line", centre=0), Output("signal", centre=0), Output("histogram", centre=0)),
    stages=(
        Step(
            step,
            gives=("line", "signal", "histogram"),
            state=dict.fromkeys(_STATE, 0.0),
            steady=steady,
        ),
    ),
    lookback=_lookback,
    settle=_settle,
    default_output="line",
    rule=_rule,
    version=2,
)

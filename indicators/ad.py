"""Accumulation/distribution line (Chaikin).

Formula: sum of the money flow of all candles; a candle's money flow is its volume times
((close - low) - (high - close)) / (high - low).
Seed: 0 before the first candle, whose money flow is the first value.
Range: unbounded. The level depends on where the series starts; only its changes have a meaning.
Flat: unchanged, 0 from the start; a candle without range has no money flow.
Source: TA-Lib's AD.

Settling: it sums from the first candle on and forgets nothing, so every start has its own level.
"""

import math

from indicators.catalogue import Indicator, Output, Parameters, Step
from indicators.cmf import money_flow, money_flow_on


def step(flow: float, total: float) -> tuple[float, float]:
    """One candle: (value, total)."""
    return (math.nan, total) if math.isnan(flow) else (total + flow, total + flow)


def steady(flow: float, total: float) -> tuple[float, float]:
    """One candle whose flow is a number."""
    return total + flow, total + flow


def _lookback(_: Parameters) -> int:
    return 0


INDICATOR = Indicator(
    name="ad",
    title="Accumulation/distribution line",
    aliases=("adl", "accumulation_distribution", "accumulation_distribution_line", "chaikin_ad"),
    inputs=("high", "low", "close", "volume"),
    parameters=(),
    outputs=(Output("value"),),
    stages=(
        Step(money_flow, gives=("flow",), steady=money_flow_on),
        Step(step, gives=("value",), state={"total": 0.0}, steady=steady),
    ),
    lookback=_lookback,
    settle=_lookback,
)

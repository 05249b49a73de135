"""Ichimoku cloud (Hosoda).

Formula: conversion, base and span_b are the midpoints of the highest high and the lowest low of the last
``conversion``, ``base`` and ``span`` candles; span_a is the midpoint of conversion and base.
Seed: none; all outputs begin together, at the candle one before the longest of the three lengths.
Range: that of the prices.
Flat: the price.
Source: Hosoda's definition, as in Skender's Stock.Indicators; TA-Lib has its parts (MIDPRICE). Nothing is shifted:
span_a and span_b are the values computed on the candle, which charts draw 26 candles later. The cloud that a chart
shows at a candle is ``ichimoku.span_a[26]`` and ``ichimoku.span_b[26]``; the lagging span compares ``close`` with
``close[26]``.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def middles(
    high_conversion: float, low_conversion: float, high_base: float, low_base: float, high_span: float, low_span: float
) -> tuple[float, float, float, float]:
    """One candle: (conversion, base, span_a, span_b), none of them without all."""
    conversion = (high_conversion + low_conversion) / 2.0
    base = (high_base + low_base) / 2.0
    span = (high_span + low_span) / 2.0
    missing = math.isnan(conversion) or math.isnan(base) or math.isnan(span)
    return (
        math.nan if missing else conversion,
        math.nan if missing else base,
        math.nan if missing else (conversion + base) / 2.0,
        math.nan if missing else span,
    )


def _lookback(parameters: Parameters) -> int:
    return int(max(parameters.values())) - 1


_LENGTHS = ("conversion", "base", "span")

INDICATOR = Indicator(
    name="ichimoku",
    title="Ichimoku cloud",
    aliases=("ichimoku_cloud", "ichimoku_kinko_hyo"),
    inputs=("high", "low"),
    parameters=(Parameter("conversion", 9, 2, 1000), Parameter("base", 26, 2, 1000), Parameter("span", 52, 2, 1000)),
    outputs=(
        Output("conversion"),
        Output("base"),
        Output("span_a"),
        Output("span_b"),
    ),
    stages=(
        *(Window(f"high_{length}", "max", over="high", length=length) for length in _LENGTHS),
        *(Window(f"low_{length}", "min", over="low", length=length) for length in _LENGTHS),
        Step(middles, gives=("conversion", "base", "span_a", "span_b")),
    ),
    lookback=_lookback,
    settle=_lookback,
    default_output=None,
)

"""The values that one condition reads, candle by candle, laid out in panes: values on one scale share a pane.

A moving average of prices belongs on the candles, one of volumes on the volumes; an RSI needs a pane of its own, which
it shares with every other RSI and with the constants that it is compared with.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from analysis.valuation import Valuation
from common.timeframes import DURATION_MS
from dashboard.charts.labels import time_labels
from engine.calendars import AnyCalendars, as_calendars
from engine.program import FALSE, TRUE
from engine.read_alike import memory
from indicators.catalogue import find
from registry.conditions import Condition
from registry.groups import Series
from registry.language.as_text.text import to_text
from registry.language.tree import IndicatorOutput, Number, Price, comparisons, variables

CANDLE = ("open", "high", "low", "close", "volume")


@dataclass
class Pane:
    """Lines and constants on one scale. ``low`` and ``high`` are its ends if the values cannot go beyond them."""

    name: str
    lines: list[str] = field(default_factory=list)
    """Columns of the frame."""
    levels: list[float] = field(default_factory=list)
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Readings:
    """A frame with ``closed`` (label of the close time), ``close_time``, the candle's columns, ``truth`` (``TRUE FALSE
    UNKNOWN``) and a column for each line; and its panes."""

    frame: pl.DataFrame
    price: Pane
    volume: Pane
    panes: tuple[Pane, ...]


def candles_needed(condition: Condition, shown: int) -> dict[Series, int]:
    """How many candles of each series to load so that values and truths on the last ``shown`` ones have settled."""
    length, looked_back = DURATION_MS[condition.timeframe], shown + memory(condition.tree) + 2
    return {
        series: math.ceil(looked_back * length / DURATION_MS[series.timeframe]) + needed.settle + 1
        for series, needed in condition.needed.items()
    }


def read_values(
    condition: Condition,
    histories: Mapping[Series, pl.DataFrame],
    shown: int,
    calendars: AnyCalendars | None = None,
    zone: str = "UTC",
) -> Readings:
    """The readings of the last ``shown`` candles; the earlier ones let the indicators settle. Labels are in ``zone``.

    They are the values that the condition reads, each drawn at its own time: without the steps back of ``[k]`` and
    without arithmetic. Values of other series are those that had closed with the candle.
    """
    valuation = Valuation(condition, histories, as_calendars(calendars), last=shown)
    price, volume = Pane("price"), Pane("volume")
    panes: dict[Hashable, Pane] = {"price": price, "volume": volume}
    columns: dict[str, pl.Series] = {}
    for comparison in comparisons(condition.tree):
        for variable in (*variables(comparison.left), *variables(comparison.right)):
            drawn = replace(variable, offset=0)
            scale = _scale(drawn, condition.series)
            if scale not in panes:
                panes[scale] = _new_pane(drawn, condition.series)
            pane = panes[scale]
            name = to_text(drawn, condition.series, short=True)
            if name not in CANDLE and name not in pane.lines:
                pane.lines.append(name)
                columns[name] = pl.Series(name, valuation.value(drawn)[-shown:], nan_to_null=True)
            level = comparison.right
            if comparison.left == variable and isinstance(level, Number) and level.value not in pane.levels:
                pane.levels.append(level.value)
    count = min(shown, valuation.opens.size)
    truths = valuation.truth(condition.tree)[-shown:]
    candles = histories[condition.series].filter(
        pl.col("open_time").dt.epoch("ms").is_in(valuation.opens[-shown:].tolist())
    )
    closes = pl.Series("close_time", valuation.closes[-shown:]).cast(pl.Datetime("ms", "UTC"))
    frame = pl.DataFrame([closes]).select(
        time_labels("close_time", zone).alias("closed"),
        "close_time",
        *(candles[name] for name in CANDLE),
        pl.Series("truth", np.select([truths == TRUE, truths == FALSE], ["TRUE", "FALSE"], "UNKNOWN")),
        *columns.values(),
    )
    assert frame.height == count
    own = [pane for key, pane in panes.items() if key not in ("price", "volume")]
    for pane in own:
        _widen(pane, frame)
    return Readings(frame, price, volume, tuple(own))


def _scale(operand: Price | IndicatorOutput, base: Series) -> Hashable:
    """Equal for operands whose values fit on one axis."""
    match _sized_like(operand):
        case Price(series=series, field="volume"):
            return "volume" if series == base else ("volume", series)
        case Price(series=series):
            return "price" if series.instrument == base.instrument else ("price", series.instrument)
        case IndicatorOutput(indicator=name, source=source, output=output_name):
            output = find(name).output(output_name)
            bounds = (output.low, output.high, output.centre)
            if source is not None and bounds == _UNBOUNDED:
                return source
            if output.low is not None and output.high is not None:
                return output.low, output.high
            return name, source, bounds, operand.series.instrument


_UNBOUNDED = (None, None, None)


def _sized_like(operand: Price | IndicatorOutput) -> Price | IndicatorOutput:
    """The operand on whose scale an operand is: an output of one column or of another indicator, without a range of its
    own, is on the scale of that."""
    if isinstance(operand, Price) or operand.source is None:
        return operand
    output = find(operand.indicator).output(operand.output)
    if (output.low, output.high, output.centre) != _UNBOUNDED:
        return operand
    source = Price(operand.series, operand.source) if isinstance(operand.source, str) else operand.source
    return _sized_like(source) if isinstance(source, Price | IndicatorOutput) else operand


def _new_pane(operand: Price | IndicatorOutput, base: Series) -> Pane:
    like = _sized_like(operand)
    if isinstance(like, Price):
        # Its own prices and volumes already have their panes.
        instrument = like.series.instrument
        kind = "volume" if like.field == "volume" else "price"
        return Pane(kind if instrument == base.instrument else f"{instrument.symbol} {kind}")
    output = find(like.indicator).output(like.output)
    return Pane(like.indicator, low=output.low, high=output.high)


def _widen(pane: Pane, frame: pl.DataFrame) -> None:
    """Make room for constants that the values do not reach, which the chart would otherwise leave out."""
    values = [bound for name in pane.lines for bound in (frame[name].min(), frame[name].max())]
    reached = [float(value) for value in values if isinstance(value, int | float)]
    if not reached or not pane.levels:
        return
    lowest, highest = min(reached), max(reached)
    margin = 0.1 * (max(highest, *pane.levels) - min(lowest, *pane.levels))
    if pane.low is None and min(pane.levels) < lowest:
        pane.low = _round(min(pane.levels) - margin, down=True)
    if pane.high is None and max(pane.levels) > highest:
        pane.high = _round(max(pane.levels) + margin, down=False)


def _round(value: float, *, down: bool) -> float:
    """Round outwards to two significant digits, for readable axis ends."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    # The second rounding removes digits that the product adds: 55 * 0.001 is to be 0.055.
    return float(f"{(math.floor if down else math.ceil)(value / unit) * unit:.2g}")

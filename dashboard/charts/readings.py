"""The values that one condition reads, candle by candle, laid out in panes: values on one scale share a pane.

A moving average of prices belongs on the candles, one of volumes on the volumes; an RSI needs a pane of its own, which
it shares with every other RSI and with the constants that it is compared with.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import polars as pl

from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from engine.readings import values_over
from indicators.catalogue import find
from registry.conditions import Condition
from registry.language.as_text.text import to_text
from registry.language.tree import IndicatorOutput, Number, Price, comparisons, variables

CANDLE = ("open", "high", "low", "close", "volume")
TIME_FORMAT = "%Y-%m-%d %H:%M"
"""The format of close times on the category axis; it includes the year because labels must be unique."""


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
    """A frame with ``closed`` (label of the close time), the candle's columns and one for each line; and its panes."""

    frame: pl.DataFrame
    price: Pane
    volume: Pane
    panes: tuple[Pane, ...]


def candles_needed(condition: Condition, shown: int) -> int:
    """How many candles to load so that the values on the last ``shown`` of them have settled."""
    return shown + condition.needed[condition.series].settle


def read_values(condition: Condition, candles: pl.DataFrame, shown: int, grid: Grid = UTC_GRID) -> Readings:
    """The readings of the last ``shown`` candles on a grid; the earlier candles let the indicators settle.

    They are the values that the condition reads from its own series, each drawn at its own time: without the steps back
    of ``[k]``, without arithmetic, and without other series, which have candles of their own.
    """
    price, volume = Pane("price"), Pane("volume")
    panes: dict[Hashable, Pane] = {"price": price, "volume": volume}
    columns: dict[str, pl.Series] = {}
    for comparison in comparisons(condition.tree):
        for variable in (*variables(comparison.left), *variables(comparison.right)):
            if variable.series != condition.series:
                continue
            drawn = replace(variable, offset=0)
            scale = _scale(drawn)
            if scale not in panes:
                panes[scale] = _new_pane(drawn)
            pane = panes[scale]
            name = to_text(drawn, short=True)
            if name not in CANDLE and name not in pane.lines:
                pane.lines.append(name)
                columns[name] = pl.Series(name, values_over(drawn, candles)).fill_nan(None)
            level = comparison.right
            if comparison.left == variable and isinstance(level, Number) and level.value not in pane.levels:
                pane.levels.append(level.value)
    slots = slots_of(condition.timeframe, grid)
    closes = slots.close(slots.number(candles["open_time"].dt.epoch("ms").to_numpy()))
    closed = pl.from_epoch(pl.Series("closed", closes), "ms").dt.strftime(TIME_FORMAT)
    frame = candles.select(closed, *CANDLE, *columns.values()).tail(shown)
    own = [pane for key, pane in panes.items() if key not in ("price", "volume")]
    for pane in own:
        _widen(pane, frame)
    return Readings(frame, price, volume, tuple(own))


def _scale(operand: Price | IndicatorOutput) -> Hashable:
    """Equal for operands whose values fit on one axis."""
    match _sized_like(operand):
        case Price(field=name):
            return "volume" if name == "volume" else "price"
        case IndicatorOutput(indicator=name, source=source, output=output_name):
            output = find(name).output(output_name)
            bounds = (output.low, output.high, output.centre)
            if source is not None and bounds == _UNBOUNDED:
                return source
            if output.low is not None and output.high is not None:
                return output.low, output.high
            return name, source, bounds


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


def _new_pane(operand: Price | IndicatorOutput) -> Pane:
    like = _sized_like(operand)
    # Prices and volumes already have their panes.
    assert isinstance(like, IndicatorOutput)
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

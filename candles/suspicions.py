"""What looks like a wrong option or a wrong source rather than like wrong rows."""

import polars as pl

from candles import reasons
from candles.files.raw import SERIES_COLUMNS
from common.candle_columns import OHLC
from common.counted import counted
from common.timeframes import DURATION_MS, show_time, to_ms
from registry.groups import series_of

# A handful of candles with an outage between them says nothing about the timeframe.
_STEPS_TO_SUSPECT = 10
_JUMP = 3.0
"""A price this many times the one before it, or this fraction of it, that does not last is no price."""
_BACK = 1.5
_WITHIN = 3
"""Candles after which a price that jumped is back."""


def suspicions(judged: pl.DataFrame, accepted: pl.DataFrame) -> tuple[str, ...]:
    """Notes on judged rows, which have a ``reason`` or are accepted."""
    notes = []
    counts = dict(judged["reason"].value_counts().iter_rows())
    if counts.get(reasons.COLUMN_ORDER, 0) * 2 > judged.height:
        notes.append("most rows fit open, close, high, low: is that the order of the file's columns?")
    return (*notes, *_jumps(accepted))


def wrong_timeframes(judged: pl.DataFrame) -> tuple[str, ...]:
    """The series most of whose rows are not as far apart as the slots of their timeframe, in words."""
    sound = pl.col("reason").is_null() | pl.col("reason").is_in([reasons.OFF_GRID, reasons.STILL_OPEN])
    told = judged.select(*SERIES_COLUMNS, "series", "open_time", "slot", "reason")
    rows = told.filter(sound & pl.col("slot").is_not_null()).unique(["series", "open_time"])
    step = pl.col("open_time").dt.epoch("ms").diff()
    usual = step.mode().min()
    mostly = (
        rows.sort("series", "open_time")
        .group_by(SERIES_COLUMNS, maintain_order=True)
        .agg(
            step=usual,
            steps=step.count(),
            share=(step == usual).mean(),
            slots=pl.col("slot").diff().filter(step == usual).median(),
        )
        .filter((pl.col("steps") >= _STEPS_TO_SUSPECT) & (pl.col("share") > 0.5))
    )
    messages = []
    for exchange, symbol, timeframe, step_ms, slots in mostly.select(*SERIES_COLUMNS, "step", "slots").iter_rows():
        if slots != 1:
            shown = next(
                (name for name, span in DURATION_MS.items() if span == step_ms), f"{step_ms / 60_000:g} minutes"
            )
            messages.append(
                f"{series_of(exchange, symbol, timeframe)}: most rows are {shown} apart; "
                f"is {timeframe} the right timeframe?"
            )
    return tuple(messages)


def _jumps(accepted: pl.DataFrame) -> tuple[str, ...]:
    """Prices that are far from those before them, and back within a few candles."""
    before = pl.col("close").shift().over("series")
    far = pl.any_horizontal((pl.col(name) >= _JUMP * before) | (pl.col(name) * _JUMP <= before) for name in OHLC)
    back = pl.any_horizontal(
        pl.col("close").shift(-later).over("series").is_between(before / _BACK, before * _BACK)
        for later in range(_WITHIN + 1)
    )
    jumped = accepted.filter((far & back).fill_null(False)).group_by(SERIES_COLUMNS, maintain_order=True)
    return tuple(
        f"{series_of(exchange, symbol, timeframe)}: {counted(count, 'candle')}, first the one of "
        f"{show_time(to_ms(first))}, {'is' if count == 1 else 'are'} {_JUMP:g} times away from the close before and "
        "back soon after; are these prices real?"
        for exchange, symbol, timeframe, count, first in jumped.agg(pl.len(), pl.col("open_time").first()).iter_rows()
    )

"""Which rows are candles. A pure function: a row goes either to the candles or, with a reason, to the quarantine."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from candles import reasons
from candles.files.raw import CANDLE_SCHEMA, SERIES_COLUMNS, RawCandles
from common.candle_columns import OHLC, VALUES
from common.slots import slots_of
from common.timeframes import DURATION_MS
from registry.groups import Series, series_of

_KEY = (*SERIES_COLUMNS, "open_time")
# A handful of candles with an outage between them says nothing about the timeframe.
_STEPS_TO_SUSPECT = 10
_OPEN, _HIGH, _LOW, _CLOSE = (pl.col(name) for name in OHLC)


@dataclass(frozen=True)
class Gap:
    """A run of ``missing`` candles that ``series`` lacks, the first of which opens at ``first_missing_ms``."""

    series: Series
    first_missing_ms: int
    missing: int


@dataclass(frozen=True)
class CheckedCandles:
    """The rows of a source after the check.

    ``candles`` has the columns of ``CANDLE_SCHEMA``, sorted by series and open time, one row per candle.
    ``quarantined`` has the same columns as far as they could be read, with ``reason``, ``source`` and ``line``, in the
    order of the source. ``gaps`` lie between accepted candles; a slot whose row was quarantined is part of a gap.
    """

    candles: pl.DataFrame
    quarantined: pl.DataFrame
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...]


def check(raw: RawCandles, *, now_ms: int) -> CheckedCandles:
    """Judge every row of ``raw``; a candle whose close time is after ``now_ms`` is still open."""
    judged = _with_slots(raw.rows).with_columns(_reason(now_ms).alias("reason"))
    judged = _one_row_per_slot(judged)

    accepted = judged.filter(pl.col("reason").is_null()).sort(_KEY)
    rejected = judged.filter(pl.col("reason").is_not_null()).sort("line")
    assert accepted.height + rejected.height == raw.rows.height, "a row was lost or doubled"
    return CheckedCandles(
        candles=accepted.select(*CANDLE_SCHEMA),
        quarantined=rejected.select(*CANDLE_SCHEMA, "reason", pl.lit(raw.source).alias("source"), "line"),
        gaps=_gaps(accepted),
        notes=(*raw.notes, *_suspicions(judged)),
    )


def _with_slots(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the ``length`` of their timeframe, null if it is none of the list, and the slot that they open in: its
    ``number``, ``begin_ms`` and ``close_ms``."""
    opens = rows["open_time"].dt.epoch("ms").fill_null(0).to_numpy()
    timeframes = rows["timeframe"].fill_null("")
    columns = {name: np.zeros(rows.height, np.int64) for name in ("number", "begin_ms", "close_ms")}
    for timeframe in timeframes.unique():
        if timeframe in DURATION_MS:
            slots, mine = slots_of(timeframe), (timeframes == timeframe).to_numpy()
            numbers = slots.number(opens[mine])
            for name, values in (
                ("number", numbers),
                ("begin_ms", slots.open(numbers)),
                ("close_ms", slots.close(numbers)),
            ):
                columns[name][mine] = values
    length = pl.col("timeframe").replace_strict(DURATION_MS, default=None, return_dtype=pl.Int64)
    return rows.with_columns(length.alias("length"), *(pl.Series(*column) for column in columns.items()))


def _reason(now_ms: int) -> pl.Expr:
    """The first reason to reject a row taken by itself, null if there is none."""
    open_ms = pl.col("open_time").dt.epoch("ms")
    dearest, cheapest = pl.max_horizontal(_OPEN, _CLOSE), pl.min_horizontal(_OPEN, _CLOSE)
    contradicts = (_HIGH < _LOW) | (dearest > _HIGH) | (cheapest < _LOW)
    # Read as open, close, high, low, the column "low" holds the high and the column "close" the low.
    swapped_fits = (pl.min_horizontal(_OPEN, _HIGH) >= _CLOSE) & (pl.max_horizontal(_OPEN, _HIGH) <= _LOW)
    rules = {
        reasons.MISSING_VALUE: pl.any_horizontal(pl.col(name).is_null() for name in CANDLE_SCHEMA),
        reasons.UNSUPPORTED_TIMEFRAME: pl.col("length").is_null(),
        reasons.NOT_FINITE: ~pl.all_horizontal(pl.col(name).is_finite() for name in VALUES),
        reasons.ALL_ZERO: pl.all_horizontal(pl.col(name) == 0 for name in VALUES),
        reasons.PRICE_NOT_POSITIVE: pl.any_horizontal(pl.col(name) <= 0 for name in OHLC),
        reasons.NEGATIVE_VOLUME: pl.col("volume") < 0,
        reasons.COLUMN_ORDER: contradicts & swapped_fits,
        reasons.HIGH_BELOW_LOW: _HIGH < _LOW,
        reasons.OUTSIDE_RANGE: contradicts,
        reasons.OFF_GRID: open_ms != pl.col("begin_ms"),
        reasons.STILL_OPEN: pl.col("close_ms") > now_ms,
    }
    return pl.coalesce("problem", *(pl.when(broken).then(pl.lit(reason)) for reason, broken in rules.items()))


def _one_row_per_slot(judged: pl.DataFrame) -> pl.DataFrame:
    """Of several good rows with the same open time, the last one's values win, kept in the first row that has them."""
    numbered = judged.with_row_index("row")
    good = numbered.filter(pl.col("reason").is_null())
    doubled = good.filter(good.select(_KEY).is_duplicated())
    if doubled.is_empty():
        return judged
    last = doubled.group_by(_KEY).agg(pl.col(VALUES).last().name.suffix("_last"))
    same = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_last") for name in VALUES)
    compared = doubled.join(last, on=_KEY, maintain_order="left").select("row", *_KEY, same.alias("same"))
    kept = compared.filter("same").unique(_KEY, keep="first")["row"]
    verdicts = compared.filter(~pl.col("row").is_in(kept.implode())).select(
        "row", doubled=pl.when("same").then(pl.lit(reasons.REPEATED)).otherwise(pl.lit(reasons.SUPERSEDED))
    )
    return (
        numbered.join(verdicts, on="row", how="left", maintain_order="left")
        .with_columns(pl.coalesce("reason", "doubled").alias("reason"))
        .drop("row", "doubled")
    )


def _gaps(accepted: pl.DataFrame) -> tuple[Gap, ...]:
    holes = accepted.select(
        *SERIES_COLUMNS,
        after=pl.col("close_ms").shift().over(SERIES_COLUMNS),
        missing=pl.col("number").diff().over(SERIES_COLUMNS) - 1,
    ).filter(pl.col("missing") > 0)
    return tuple(Gap(series_of(*series), after, missing) for *series, after, missing in holes.iter_rows())


def _suspicions(judged: pl.DataFrame) -> tuple[str, ...]:
    """Notes on what looks like a wrong option or header rather than wrong rows."""
    notes = []
    counts = dict(judged["reason"].value_counts().iter_rows())
    if counts.get(reasons.COLUMN_ORDER, 0) * 2 > judged.height:
        notes.append("most rows fit open, close, high, low: is that the order of the file's columns?")
    step = pl.col("open_time").dt.epoch("ms").diff()
    steps = step.filter(step > 0)
    usual = steps.mode().min()
    sound = pl.col("reason").is_null() | pl.col("reason").is_in([reasons.OFF_GRID, reasons.STILL_OPEN])
    mostly = (
        judged.filter(sound & pl.col("open_time").is_not_null())
        .sort(_KEY)
        .group_by(SERIES_COLUMNS, maintain_order=True)
        .agg(length=pl.col("length").first(), step=usual, steps=steps.len(), share=(steps == usual).mean())
        .filter((pl.col("steps") >= _STEPS_TO_SUSPECT) & (pl.col("share") > 0.5) & (pl.col("step") != pl.col("length")))
    )
    for exchange, symbol, timeframe, step_ms in mostly.select(*SERIES_COLUMNS, "step").iter_rows():
        shown = next((name for name, span in DURATION_MS.items() if span == step_ms), f"{step_ms / 60_000:g} minutes")
        notes.append(
            f"{series_of(exchange, symbol, timeframe)}: most rows are {shown} apart; "
            f"is {timeframe} the right timeframe?"
        )
    return tuple(notes)

"""Which rows are candles. A pure function: a row goes either to the candles or, with a reason, to the quarantine."""

from dataclasses import dataclass

import polars as pl

from candles import reasons
from candles.files.raw import CANDLE_SCHEMA, SERIES_COLUMNS, RawCandles, by_series
from candles.placing import GridOf, on_utc, place, slots_of_series
from candles.suspicions import suspicions, wrong_timeframes
from common.candle_columns import OHLC, VALUES
from engine.calendars import Calendars
from registry.groups import Series, series_of

_KEY = ("series", "open_time")
_OPEN, _HIGH, _LOW, _CLOSE = (pl.col(name) for name in OHLC)
_DEAREST, _CHEAPEST = pl.max_horizontal(_OPEN, _CLOSE), pl.min_horizontal(_OPEN, _CLOSE)
_CONTRADICTS = (_HIGH < _LOW) | (_DEAREST > _HIGH) | (_CHEAPEST < _LOW)


@dataclass(frozen=True)
class Gap:
    """A run of ``missing`` candles that ``series`` lacks, the first of which opens at ``first_missing_ms``."""

    series: Series
    first_missing_ms: int
    missing: int


@dataclass(frozen=True)
class CheckedCandles:
    """The rows of a source after the check.

    ``accepted`` has the columns of ``CANDLE_SCHEMA``, ``line`` and ``widened``, sorted by series and open time, one row
    per candle. ``quarantined`` has the columns of ``CANDLE_SCHEMA`` as far as they could be read, with ``reason``,
    ``source`` and ``line``, in the order of the source. ``untraded`` rows had a time and no price: nothing was traded,
    so that they are gaps, as are slots whose rows were quarantined.
    """

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    notes: tuple[str, ...]
    untraded: int
    wrong_timeframes: tuple[str, ...]
    """What contradicts the timeframe of most rows of a series, in words."""

    @property
    def candles(self) -> pl.DataFrame:
        """The accepted candles alone."""
        return self.accepted.select(*CANDLE_SCHEMA)


def check(raw: RawCandles, *, now_ms: int, grid_of: GridOf = on_utc, widen: bool = False) -> CheckedCandles:
    """Judge every row of ``raw``; a candle whose close time is after ``now_ms`` is still open.

    With ``widen``, low and high are widened to an open outside them that is the close before.
    """
    placed = place(raw, grid_of)
    placed = placed.with_columns(_opens_at_close_before(placed).alias("opens_before"))
    if widen:
        placed = placed.with_columns(
            low=pl.when("opens_before").then(_CHEAPEST).otherwise(_LOW),
            high=pl.when("opens_before").then(_DEAREST).otherwise(_HIGH),
        )
    height = placed.height
    untraded = placed.select(_untraded()).to_series()
    traded = placed.filter(~untraded) if untraded.any() else placed
    del placed
    judged = traded.with_columns(
        _reason(now_ms).alias("reason"),
        (pl.col("opens_before") & pl.lit(widen)).alias("widened"),
    )
    judged = _one_row_per_slot(judged)
    accepted = judged if judged["reason"].null_count() == judged.height else judged.filter(pl.col("reason").is_null())
    accepted = accepted if _is_sorted(accepted) else accepted.sort(_KEY)
    rejected = judged.filter(pl.col("reason").is_not_null()).sort("line")
    assert accepted.height + rejected.height == traded.height, "a row was lost or doubled"
    return CheckedCandles(
        accepted=accepted.select(*CANDLE_SCHEMA, "line", "widened"),
        quarantined=rejected.select(*CANDLE_SCHEMA, "reason", pl.lit(raw.source).alias("source"), "line"),
        notes=(*raw.notes, *suspicions(judged, accepted)),
        untraded=height - traded.height,
        wrong_timeframes=wrong_timeframes(judged),
    )


def sound() -> pl.Expr:
    """Whether a row with the columns of ``CANDLE_SCHEMA`` is a candle by its values, as far as one row tells."""
    finite = pl.all_horizontal(pl.col(name).is_finite() for name in VALUES)
    positive = pl.all_horizontal(pl.col(name) > 0 for name in OHLC)
    return (finite & positive & (pl.col("volume") >= 0) & ~_CONTRADICTS).fill_null(False)


def gaps_between(candles: pl.DataFrame, calendars: Calendars | None = None) -> tuple[Gap, ...]:
    """The gaps between candles that are sorted by series and open time, by the calendars of their series."""
    calendars = calendars or Calendars()
    gaps: list[Gap] = []
    for part in by_series(candles):
        names = part.select(SERIES_COLUMNS).row(0)
        if slots_of_series(names, on_utc) is not None:
            series = series_of(*names)
            runs = calendars.of(series).missing(part["open_time"].to_physical().to_numpy())
            gaps += [Gap(series, first_ms, missing) for first_ms, missing in runs]
    return tuple(gaps)


def _is_sorted(rows: pl.DataFrame) -> bool:
    """Whether rows are in the order of their series and times, as most files have them."""
    one = rows["series"].n_unique() == 1
    return one and rows["open_time"].is_sorted()


def _untraded() -> pl.Expr:
    """A time, and no price: what sources write where nothing was traded."""
    no_price = pl.all_horizontal(pl.col(name).is_null() | pl.col(name).is_nan() for name in OHLC)
    volume = pl.col("volume")
    nothing = volume.is_null() | volume.is_nan() | (volume == 0)
    return no_price & nothing & pl.col("problem").is_null() & pl.col("open_time").is_not_null()


def _opens_at_close_before(rows: pl.DataFrame) -> pl.Series:
    """Which rows contradict themselves only because they open at the close before, as BitMEX writes them."""
    otherwise_sound = (_LOW > 0) & (_HIGH >= _LOW) & _CLOSE.is_between(_LOW, _HIGH)
    outside = rows.select((otherwise_sound & ~_OPEN.is_between(_LOW, _HIGH)).fill_null(False)).to_series()
    if not outside.any():
        return outside
    before = (
        rows.select(*_KEY, "open", "close")
        .with_row_index("row")
        .sort(*_KEY, "row")
        .with_columns(pl.col("close").shift().over("series").alias("before"))
        .sort("row")
    )
    return outside & before.select((pl.col("before") == _OPEN).fill_null(False)).to_series()


def _reason(now_ms: int) -> pl.Expr:
    """The first reason to reject a row taken by itself, null if there is none."""
    # Read as open, close, high, low, the column "low" holds the high and the column "close" the low.
    swapped_fits = (pl.min_horizontal(_OPEN, _HIGH) >= _CLOSE) & (pl.max_horizontal(_OPEN, _HIGH) <= _LOW)
    rules = {
        reasons.MISSING_VALUE: pl.any_horizontal(pl.col(name).is_null() for name in CANDLE_SCHEMA),
        reasons.UNSUPPORTED_TIMEFRAME: pl.col("slot").is_null(),
        reasons.NOT_FINITE: ~pl.all_horizontal(pl.col(name).is_finite() for name in VALUES),
        reasons.ALL_ZERO: pl.all_horizontal(pl.col(name) == 0 for name in VALUES),
        reasons.PRICE_NOT_POSITIVE: pl.any_horizontal(pl.col(name) <= 0 for name in OHLC),
        reasons.NEGATIVE_VOLUME: pl.col("volume") < 0,
        reasons.COLUMN_ORDER: _CONTRADICTS & swapped_fits,
        reasons.HIGH_BELOW_LOW: _HIGH < _LOW,
        reasons.OPEN_IS_CLOSE_BEFORE: _CONTRADICTS & pl.col("opens_before"),
        reasons.OUTSIDE_RANGE: _CONTRADICTS,
        reasons.OFF_GRID: ~pl.col("begins"),
        reasons.STILL_OPEN: pl.col("close_ms") > now_ms,
    }
    return pl.coalesce("problem", *(pl.when(broken).then(pl.lit(reason)) for reason, broken in rules.items()))


def _one_row_per_slot(judged: pl.DataFrame) -> pl.DataFrame:
    """Of several good rows with the same open time, the last of those with the largest volume wins.

    A volume only grows while a candle does: a row with less is an earlier state, or a fragment. The values that win
    are kept in the first row that has them.
    """
    if _is_sorted(judged) and (judged["open_time"].diff().dt.total_milliseconds() != 0).all():
        return judged
    good = judged.select(*_KEY, "reason").with_row_index("row").filter(pl.col("reason").is_null())
    rows = good.filter(good.select(_KEY).is_duplicated())["row"]
    if rows.is_empty():
        return judged
    numbered = judged.with_row_index("row")
    doubled = numbered[rows]
    fullest = doubled.filter(pl.col("volume") == pl.col("volume").max().over(_KEY))
    wins = fullest.group_by(_KEY).agg(
        pl.col(VALUES).last().name.suffix("_last"), pl.col("row").last().alias("row_last")
    )
    same = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_last") for name in VALUES)
    shrinks = (pl.col("volume") < pl.col("volume_last")) & (pl.col("row") > pl.col("row_last"))
    compared = doubled.join(wins, on=_KEY, maintain_order="left").select(
        "row", *_KEY, same.alias("same"), shrinks.alias("shrinks")
    )
    kept = compared.filter("same").unique(_KEY, keep="first")["row"]
    verdicts = compared.filter(~pl.col("row").is_in(kept.implode())).select(
        "row",
        doubled=pl.when("same")
        .then(pl.lit(reasons.REPEATED))
        .when("shrinks")
        .then(pl.lit(reasons.FRAGMENT))
        .otherwise(pl.lit(reasons.SUPERSEDED)),
    )
    return (
        numbered.join(verdicts, on="row", how="left", maintain_order="left")
        .with_columns(pl.coalesce("reason", "doubled").alias("reason"))
        .drop("row", "doubled")
    )

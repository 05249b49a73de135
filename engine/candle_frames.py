"""Frames of candles as people have them, made into histories: for each series its candles, oldest first, each once.

A frame is one of polars or pandas with the columns ``symbol timeframe open_time open high low close volume`` in any
order and any case, and whatever else. The time may also be called ``timestamp``, ``datetime``, ``date`` or ``time``, or
be the index of a pandas frame; it may be a time (without a zone it is UTC), a date, or a number of seconds to
nanoseconds since 1970. ``exchange`` may be missing; so may ``symbol`` and ``timeframe``, if the conditions name just
one. A row without any price is a gap, as resampling leaves it.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from common.candle_columns import OHLC, VALUES
from common.epoch_times import DAY_MS, PER_MS, epoch_columns
from common.errors import CandleFrameError, InstrumentError, TimeframeError
from common.timeframes import normalise_timeframe, show_time
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Instrument, normalise_exchange, normalise_instrument

if TYPE_CHECKING:
    import pandas as pd

ConditionSource = Condition | str | Mapping[str, Any]
"""A condition, or its text or JSON."""

# In the order in which they are looked for; pyarrow calls the index of a pandas frame by the last one.
_TIME_NAMES = ("open_time", "timestamp", "datetime", "date", "time", "__index_level_0__")
_KEYS = ("exchange", "symbol", "timeframe")
_MOST_NAMED = 5


def read_conditions(conditions: ConditionSource | Iterable[ConditionSource], exchange: str) -> list[Condition]:
    """One condition or several, in any spelling; equal ones count once."""
    several = [conditions] if isinstance(conditions, Condition | str | Mapping) else conditions
    parsed = (
        condition if isinstance(condition, Condition) else Condition.parse(condition, default_exchange=exchange)
        for condition in several
    )
    return list(dict.fromkeys(parsed))


def histories_of(
    candles: "pl.DataFrame | pd.DataFrame", conditions: Sequence[Condition], exchange: str
) -> dict[Series, pl.DataFrame]:
    """Series -> ``open_time`` (Datetime ms UTC) and ``open high low close volume`` (float64), oldest candle first.

    ``exchange`` is that of symbols without one. What ``conditions`` name is used where the frame names no symbol or no
    timeframe. Raises :class:`CandleFrameError`, above all for two different candles of one slot.
    """
    return histories_in(candles, conditions, exchange) if conditions else {}


def histories_in(
    candles: "pl.DataFrame | pd.DataFrame", conditions: Sequence[Condition], exchange: str
) -> dict[Series, pl.DataFrame]:
    """:func:`histories_of`, also for a frame that names its series and for which there are no conditions."""
    frame = _taken(candles)
    if frame.is_empty():
        return {}
    named = _named_by(conditions, frame)
    frame = frame.with_row_index("row")
    parts: dict[Series, list[pl.DataFrame]] = {}
    keys = [name for name in _KEYS if name in frame.columns]
    for key, rows in _by_key(frame, keys):
        series = _series(named | dict(zip(keys, key, strict=True)), exchange)
        parts.setdefault(series, []).append(rows)
    histories = {series: _history(series, pl.concat(rows)) for series, rows in parts.items()}
    return {series: history for series, history in histories.items() if history.height}


def _by_key(frame: pl.DataFrame, keys: list[str]) -> Iterable[tuple[tuple[Any, ...], pl.DataFrame]]:
    """The rows that have the same values in some columns, with these values, without these columns."""
    if not keys:
        return [((), frame)]
    named = frame.select(keys)
    if not any(named.select(pl.all().ne_missing(pl.all().first()).any()).row(0)):
        # A frame of one series is common, and telling its rows apart takes longer than judging a condition on them.
        return [(named.row(0), frame.drop(keys))]
    return frame.partition_by(keys, as_dict=True, include_key=False).items()


def _taken(candles: Any) -> pl.DataFrame:
    """The columns that count, under their own names."""
    # Whoever has a frame of pandas has imported it.
    pandas: Any = sys.modules.get("pandas")
    is_pandas = pandas is not None and isinstance(candles, pandas.DataFrame)
    if not is_pandas and not isinstance(candles, pl.DataFrame):
        hint = "; call its collect() first" if isinstance(candles, pl.LazyFrame) else ""
        raise CandleFrameError(f"candles are a polars or pandas frame, got a {type(candles).__name__}{hint}")
    if is_pandas and candles.columns.nlevels > 1:
        raise CandleFrameError(
            "the columns of the candles have several levels; keep that of open, high, low, close and volume, for"
            " example with candles.droplevel(1, axis=1)"
        )
    places = _places([str(name) for name in candles.columns])
    if is_pandas:
        chosen = {name: candles.iloc[:, place] for name, place in places.items()}
        if "open_time" not in chosen and isinstance(candles.index, pandas.DatetimeIndex):
            chosen["open_time"] = candles.index.to_series()
        columns = {name: _from_pandas(name, column) for name, column in chosen.items()}
    else:
        columns = {name: candles.to_series(place) for name, place in places.items()}
    if missing := [name for name in ("open_time", *VALUES) if name not in columns]:
        raise CandleFrameError(
            f"the candles have no column {', '.join(missing)}; they have"
            f" {', '.join(map(str, candles.columns)) or 'none'}"
        )
    values = {name: _numbers(name, columns[name]) for name in VALUES}
    names = {name: columns[name].cast(pl.String) for name in _KEYS if name in columns}
    return pl.DataFrame({**names, "open_time": _times(columns["open_time"]), **values})


def _places(names: list[str]) -> dict[str, int]:
    """Our names of columns -> which columns they are; names in other cases are looked for after exact ones."""
    places: dict[str, int] = {}
    for wanted in (*_KEYS, *VALUES, *_TIME_NAMES):
        alike = [place for place, name in enumerate(names) if name.strip().lower().replace(" ", "_") == wanted]
        exact = [place for place in alike if names[place] == wanted]
        if len(exact or alike) > 1:
            shown = ", ".join(repr(names[place]) for place in alike)
            raise CandleFrameError(f"several columns are called {wanted}: {shown}; keep one of them")
        if alike:
            (place,) = exact or alike
            places.setdefault("open_time" if wanted in _TIME_NAMES else wanted, place)
    return places


def _from_pandas(name: str, column: "pd.Series[Any]") -> pl.Series:
    try:
        frame: pl.DataFrame = pl.from_pandas(column.to_frame(name))
    except (TypeError, ValueError) as error:
        raise CandleFrameError(f"column {name} of the candles holds values of several kinds: {error}") from None
    return frame[name]


def _numbers(name: str, column: pl.Series) -> pl.Series:
    """A column as float64, NaN where a value is missing."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise CandleFrameError(
            f"column {name} of the candles holds {_kind(column)}, not numbers; convert it, for example with"
            f' candles.with_columns(pl.col("{name}").cast(pl.Float64))'
        )
    # Decimals are read from their text: dividing a large unscaled integer would round twice.
    source = column.cast(pl.String) if column.dtype.is_decimal() else column
    return source.cast(pl.Float64).fill_null(float("nan")).alias(name)


def _times(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        per_ms, ticks = PER_MS[dtype.time_unit], column.to_physical()
        read = pl.select(ms=ticks // per_ms, exact=ticks % per_ms == 0)
    elif dtype == pl.Date:
        read = pl.select(ms=column.to_physical().cast(pl.Int64) * DAY_MS, exact=pl.lit(True))
    elif dtype.is_integer() or dtype.is_float():
        read = column.to_frame("cell").select(**epoch_columns(pl.col("cell"), whole_numbers=dtype.is_integer()))
    else:
        raise CandleFrameError(
            f"the time of the candles is {_kind(column)}; convert it, for example with"
            f' candles.with_columns(pl.col("{column.name or "open_time"}").str.to_datetime(time_zone="UTC"))'
        )
    for problem, is_wrong in (("no time", read["ms"].is_null()), ("a time between two milliseconds", ~read["exact"])):
        if is_wrong.any():
            row = is_wrong.to_list().index(True)
            raise CandleFrameError(f"row {row} of the candles has {problem}: {column[row]}")
    return read["ms"].cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").alias("open_time")


def _kind(column: pl.Series) -> str:
    example = column.drop_nulls().head(1).to_list()
    return f"{column.dtype}" + (f" such as {example[0]!r}"[:60] if example else "")


def _named_by(conditions: Sequence[Condition], frame: pl.DataFrame) -> dict[str, str]:
    """The columns that a frame lacks -> the one instrument or timeframe that the conditions are judged on."""
    options = {
        "symbol": {str(condition.series.instrument) for condition in conditions},
        "timeframe": {condition.timeframe for condition in conditions},
    }
    added: dict[str, str] = {}
    for name, named in options.items():
        if name in frame.columns:
            continue
        if not named:
            raise CandleFrameError(f"the candles have no column {name}, and no condition names one; add the column")
        if len(named) > 1:
            shown = ", ".join(sorted(named)[:_MOST_NAMED]) + (", ..." if len(named) > _MOST_NAMED else "")
            raise CandleFrameError(
                f"the candles have no column {name}, and the conditions name several: {shown}; add the column"
            )
        added[name] = named.pop()
    return added


def _series(key: Mapping[str, Any], exchange: str) -> Series:
    try:
        if (symbol := key["symbol"]) is None or (timeframe := key["timeframe"]) is None:
            raise CandleFrameError("some candles have no symbol or no timeframe; fill these columns")
        named = key.get("exchange")
        instrument: Instrument = normalise_instrument(symbol, exchange if named is None else named)
        if named is not None and instrument.exchange != normalise_exchange(named):
            raise CandleFrameError(f"the exchange of some candles is {named}, but their symbol is {symbol}")
        return Series(instrument, normalise_timeframe(timeframe))
    except (InstrumentError, TimeframeError) as error:
        raise CandleFrameError(f"some candles cannot be told: {error}") from None


def _history(series: Series, rows: pl.DataFrame) -> pl.DataFrame:
    """The candles of a series, oldest first, each once; ``row`` says where they stood in the frame."""
    missing = [pl.col(name).is_nan() for name in OHLC]
    rows = rows.filter(~pl.all_horizontal(missing))
    part = rows.filter(pl.any_horizontal(missing))
    if part.height:
        raise CandleFrameError(f"a candle of {series} has only some of its prices: {_told(part.row(0, named=True))}")
    if not rows["open_time"].is_sorted():
        rows = rows.sort("open_time", maintain_order=True)
    repeated = rows["open_time"].diff() == pl.duration(milliseconds=0)
    if pl.select(repeated).to_series().any():
        rows = rows.unique(["open_time", *VALUES], keep="first", maintain_order=True)
        twice = rows.filter(pl.col("open_time").is_duplicated())
        if twice.height:
            first, second = twice.head(2).iter_rows(named=True)
            raise CandleFrameError(
                f"two different candles of {series} open at the same time: {_told(first)}, and {_told(second)};"
                " keep the right one"
            )
    # In one piece: columns of several are copied whenever they are looked at as arrays.
    return rows.drop("row").rechunk()


def _told(candle: Mapping[str, Any]) -> str:
    values = " ".join(f"{name} {candle[name]:.15g}" for name in VALUES)
    moment: int = int(candle["open_time"].timestamp() * 1000)
    return f"row {candle['row']} ({show_time(moment)}, {values})"

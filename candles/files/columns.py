"""Tells which column of a table is which part of a candle: as the caller says, by their names, or by their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from candles.files.cells import numbers
from candles.files.column_order import order_of
from candles.files.column_words import ColumnMeaning, ColumnPart, meaning_of, words_of
from candles.files.table import Table
from candles.files.times import are_clocks, are_times, read_times, with_clock
from candles.files.volume_columns import AmbiguousVolumeError, sample, volume_of
from common.candle_columns import OHLC, VALUES
from common.errors import CandleFileError

IGNORED = ("-", "_")
"""What stands for a column that is not read, in the option ``columns``."""
ROLES = ("time", "clock", *VALUES, "closed", "symbol", "timeframe", "exchange")
"""The words of the option ``columns``."""


@dataclass(frozen=True)
class CandleColumns:
    """Part of a candle -> its column; ``clock``, ``closed``, ``exchange``, ``symbol`` and ``timeframe`` only where the
    table has them."""

    parts: dict[str, pl.Series]
    decimal_comma: bool = False
    stamps_the_close: bool = False
    """Whether the file has no time but that of the close."""
    ticker: str | None = None
    """The one symbol that the header names."""
    notes: tuple[str, ...] = field(default=())
    volume_units: tuple[str, ...] = ()
    """What volumes are counted in by their names, in capitals: ``BTC`` and ``USDT``, beside words that are no currency.
    """


def locate(table: Table, path: Path, columns: Sequence[str] | None) -> CandleColumns:
    """The columns of a candle. ``columns`` are the words of :data:`ROLES` in the order of the file.

    Raises :class:`CandleFileError` if a required column is missing, or nothing tells which one it is.
    """
    if columns is not None:
        return _as_told(table, path, columns)
    if table.odd_header:
        raise CandleFileError(
            f"{path}: the header names {len(table.odd_header)} columns ({', '.join(table.odd_header)}) but the rows "
            f"have {len(table.columns)}; say which is which with --columns, for example {_example(table)}"
        )
    meanings = [_meaning(cells) for cells in table.names]
    if any(meaning is not None and meaning.role in ("open", "high", "low") for meaning in meanings):
        return _by_names(table, path, meanings)
    return _by_values(table, path, meanings)


def _as_told(table: Table, path: Path, columns: Sequence[str]) -> CandleColumns:
    if len(columns) > len(table.columns):
        raise CandleFileError(
            f"{path}: --columns names {len(columns)} columns, but the file has {len(table.columns)}: "
            f"{table.shown_names()}"
        )
    told = zip(columns, table.columns, strict=False)
    parts: dict[str, pl.Series] = {word: column for word, column in told if word not in IGNORED}
    if (clock := parts.pop("clock", None)) is not None:
        parts["time"] = with_clock(parts["time"], clock)
    notes: tuple[str, ...] = ()
    if "volume" not in parts:
        parts["volume"] = pl.repeat(0.0, len(table.lines), eager=True)
        notes = ("--columns names no volume: it is 0 throughout",)
    return CandleColumns(parts, table.decimal_comma, notes=notes)


def _by_names(table: Table, path: Path, meanings: list[ColumnMeaning | None]) -> CandleColumns:
    notes: list[str] = []
    best = {role: _best(table, path, role, meanings) for role in (*OHLC, "exchange", "symbol", "timeframe", "closed")}
    positions = {role: position for role, position in best.items() if position is not None}
    parts = {role: table.columns[position] for role, position in positions.items()}
    stamps_the_close = False
    time = _time_column(table, meanings, "time")
    if time is None:
        time = _time_column(table, meanings, "close_time")
        stamps_the_close = time is not None
        if time is not None:
            notes.append(f"the only times are those of the column {table.name(time)}, taken as when candles closed")
    if time is None:
        unnamed = (position for position, meaning in enumerate(meanings) if meaning is None)
        time = next((position for position in unnamed if are_times(table.columns[position], named=False)), None)
    if time is not None:
        clock = _clock_beside(table, time)
        parts["time"] = _moments(table, time, clock)
        positions |= {"time": time, **({} if clock is None else {"clock": clock})}
    if all(name in parts for name in OHLC):
        try:
            volume, note = volume_of(table, meanings, low=parts["low"], high=parts["high"])
        except AmbiguousVolumeError as error:
            raise CandleFileError(
                f"{path}: {error}; keep one of them, or say which with --columns, for example {_example(table)}"
            ) from error
        notes += [note] if note else []
        if volume is not None:
            parts["volume"] = volume
    missing = [name for name in ("time", *VALUES) if name not in parts]
    if missing:
        raise _missing(table, path, missing, positions)
    return CandleColumns(
        parts, table.decimal_comma, stamps_the_close, _ticker(table), tuple(notes), _units(table, meanings)
    )


def _by_values(table: Table, path: Path, meanings: list[ColumnMeaning | None]) -> CandleColumns:
    times = [position for position, column in enumerate(table.columns) if are_times(column, named=False)]
    if not times:
        named = any(meaning is not None and meaning.role == "time" and meaning.rank < 90 for meaning in meanings)
        raise _missing(table, path, VALUES if named else ("time", *VALUES))
    time = times[0]
    clock = _clock_beside(table, time)
    told = sample(~table.malformed)
    stamps = read_times(_moments(table, time, clock).gather(told), path).time
    readable: dict[int, np.ndarray] = {}
    for position, column in enumerate(table.columns):
        if position not in (time, clock):
            values, unreadable = numbers(column.gather(told), decimal_comma=table.decimal_comma)
            if not unreadable.all() and values.is_not_null().any():
                readable[position] = values.fill_null(np.nan).to_numpy()
    order = order_of(readable, stamps.to_physical().fill_null(0).to_numpy())
    if order is None:
        raise _missing(table, path, VALUES)
    placed = {time: "time", **({} if clock is None else {clock: "clock"})}
    placed |= {position: name for name, position in order.prices.items()}
    if order.volume is None:
        raise _missing(table, path, ["volume"], {name: position for position, name in placed.items()})
    placed[order.volume] = "volume"
    parts: dict[str, pl.Series] = {"time": _moments(table, time, clock), "volume": table.columns[order.volume]}
    parts |= {name: table.columns[position] for name, position in order.prices.items()}
    if order.closed is not None:
        parts["closed"] = table.columns[order.closed]
    shown = _in_order(placed)
    usual = [word for word in shown if word in OHLC] == list(OHLC)
    told_apart = f"the columns were told apart by their values: {','.join(shown)}"
    notes = () if usual and not table.has_header else (told_apart,)
    return CandleColumns(parts, table.decimal_comma, notes=notes)


def _missing(
    table: Table, path: Path, parts: Sequence[str], positions: Mapping[str, int] | None = None
) -> CandleFileError:
    """The error of a table without some parts of a candle; ``positions`` are those of the others."""
    why = "" if table.has_header else ", whose values do not tell which is which"
    example = f"for example {_example(table)}"
    if parts == ["volume"] and positions is not None:
        known = _in_order({position: role for role, position in positions.items()})
        why, example = "", f"or import it without one, as 0 throughout: --columns {','.join(known)}"
    return CandleFileError(
        f"{path}: no column for {', '.join(parts)}; the file has {table.shown_names()}{why}; say it with --columns, "
        f"{example}"
    )


def _in_order(placed: Mapping[int, str]) -> list[str]:
    """The words of ``--columns`` for columns whose parts are known."""
    return [placed.get(position, IGNORED[0]) for position in range(max(placed) + 1)]


def _meaning(cells: Sequence[str]) -> ColumnMeaning | None:
    """What the header above a column says of it. A level that says when the row was goes before one that says what."""
    meanings = [meaning for cell in cells if cell and (meaning := meaning_of(cell)) is not None]
    if not any(cells):
        return meaning_of("") if cells else None
    return min(meanings, key=lambda meaning: (meaning.role != "time", meaning.rank), default=None)


def _best(table: Table, path: Path, role: str, meanings: list[ColumnMeaning | None]) -> int | None:
    ranked = sorted(
        (meaning.rank, position)
        for position, meaning in enumerate(meanings)
        if meaning is not None and meaning.role == role
    )
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        names = " and ".join(table.name(position) for rank, position in ranked if rank == ranked[0][0])
        raise CandleFileError(
            f"{path}: the columns {names} can each be the {role}; keep one of them, or say which with --columns, "
            f"for example {_example(table)}"
        )
    return ranked[0][1] if ranked else None


def _time_column(table: Table, meanings: list[ColumnMeaning | None], role: ColumnPart) -> int | None:
    """The best named column that has times, or the best named one, whose rows are rejected then."""
    ranked = [
        position
        for _, position in sorted(
            (meaning.rank, position)
            for position, meaning in enumerate(meanings)
            if meaning is not None and meaning.role == role
        )
    ]
    readable = [position for position in ranked if are_times(table.columns[position])]
    named = [position for position in ranked if any(table.names[position])]
    return next(iter(readable or named), None)


def _clock_beside(table: Table, time: int) -> int | None:
    """The column with the time of day, if that of the times has dates only."""
    if not are_times(table.columns[time], dates_only=True):
        return None
    clocks = [
        position
        for position, column in enumerate(table.columns)
        if position != time and are_clocks(column, compact=_compact_clocks(table, position))
    ]
    return clocks[0] if clocks else None


def _compact_clocks(table: Table, position: int) -> str | None:
    """What clocks without colons look like in a column; without a name, numbers of fewer digits may be anything."""
    if not table.has_header:
        return r"^([01]\d|2[0-3])([0-5]\d){2}$"
    return r"^\d{1,6}$" if "time" in words_of(" ".join(table.names[position])) else None


def _moments(table: Table, time: int, clock: int | None) -> pl.Series:
    """The column of the times, with the time of day from another column if it is there."""
    return table.columns[time] if clock is None else with_clock(table.columns[time], table.columns[clock])


def _units(table: Table, meanings: Sequence[ColumnMeaning | None]) -> tuple[str, ...]:
    volumes = [position for position, one in enumerate(meanings) if one is not None and one.role.endswith("volume")]
    words = (word.upper() for position in volumes for name in table.names[position] for word in words_of(name))
    return tuple(dict.fromkeys(words))


def _ticker(table: Table) -> str | None:
    """The symbol in a line of the header that names one above every column but its own."""
    for label, *others in zip(*table.names, strict=True):
        meaning = meaning_of(label) if label else None
        if meaning is not None and meaning.role == "symbol" and len(set(others)) == 1 and others[0]:
            return str(others[0])
    return None


def _example(table: Table) -> str:
    words = ["time", *VALUES]
    return ",".join(words + ["-"] * (len(table.columns) - len(words)))

"""Which column of a table has the volume, where columns have names."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.files.cells import numbers
from candles.files.column_order import base_volume
from candles.files.column_words import ColumnMeaning, ColumnPart
from candles.files.table import Table

_TOLD_FROM = 2_000
"""Rows from which columns are told apart, spread over the file."""


class AmbiguousVolumeError(Exception):
    """Which columns could each be the volume, without the path, which the caller adds."""


def volume_of(
    table: Table, meanings: Sequence[ColumnMeaning | None], *, low: pl.Series, high: pl.Series
) -> tuple[pl.Series | None, str | None]:
    """The volume in the base currency, or the number of ticks where nothing else was counted; and a note on it.

    Raises :class:`AmbiguousVolumeError` for two columns of one name with different values.
    """

    def named(role: ColumnPart) -> list[int]:
        ranked = [(one.rank, position) for position, one in enumerate(meanings) if one is not None and one.role == role]
        return [position for _, position in sorted(ranked)]

    told = sample(~table.malformed)

    def values(column: pl.Series) -> NDArray[np.float64]:
        read, _ = numbers(column.gather(told), decimal_comma=table.decimal_comma)
        return read.fill_null(np.nan).to_numpy()

    candidates, ticks, quoted = named("volume"), named("tick_volume"), named("quote_volume")
    _refuse_doubles(table, candidates)
    read = {position: values(table.columns[position]) for position in (*candidates, *ticks, *quoted)}
    # Of volumes in two currencies, the one in a quote currency by its name may be the base.
    chosen = base_volume([*candidates, *quoted], read, values(low), values(high))
    if chosen in quoted and not candidates and len(quoted) == 1:
        chosen = None
    if chosen is None or not np.nan_to_num(read[chosen]).any():
        counted = next((position for position in ticks if np.nan_to_num(read[position]).any()), None)
        if counted is not None:
            why = "" if chosen is None else f", as {table.name(chosen)} is 0 throughout"
            return table.columns[counted], f"the volume is the number of ticks, {table.name(counted)}{why}"
        chosen = ticks[0] if chosen is None and ticks else chosen
    if chosen is not None:
        return table.columns[chosen], None
    return _up_and_down(table, named("up_volume"), named("down_volume"))


def sample(usable: pl.Series) -> pl.Series:
    """Positions of usable rows, at most some thousands."""
    rows = pl.arg_where(usable, eager=True)
    return rows.gather_every(max(1, -(-len(rows) // _TOLD_FROM)))


def _up_and_down(table: Table, up: list[int], down: list[int]) -> tuple[pl.Series | None, str | None]:
    """The sum of what was traded at rising and at falling prices, as TradeStation writes it."""
    if len(up) != 1 or len(down) != 1:
        return None, None
    (rose, bad), (fell, also_bad) = (
        numbers(table.columns[position], decimal_comma=table.decimal_comma) for position in (*up, *down)
    )
    note = f"the volume is the sum of {table.name(up[0])} and {table.name(down[0])}"
    return (rose + fell).set(bad | also_bad, None), note


def _refuse_doubles(table: Table, candidates: list[int]) -> None:
    """Two columns of one name cannot be told apart, unless they are the same."""
    names = [table.names[position] for position in candidates]
    for cells in names:
        alike = [table.columns[position] for position in candidates if table.names[position] == cells]
        if any(not one.equals(alike[0], null_equal=True) for one in alike[1:]):
            raise AmbiguousVolumeError(f"{len(alike)} columns are called {'/'.join(cells)!r}")

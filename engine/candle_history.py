"""A series' candles from its anchor on, read block by block: a history need not be in memory to be judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray


class CandleHistory(Protocol):
    """The candles of one series, at least one of them."""

    @property
    def first_open_ms(self) -> int:
        """Open time from which on candles are read; the first one may open later."""

    @property
    def last_open_ms(self) -> int:
        """Open time of the newest candle."""

    def blocks(self) -> Iterator[pl.DataFrame]:
        """Candle frames that follow one another, oldest first, none of them empty."""


AnyHistory = pl.DataFrame | CandleHistory
"""A history in memory or one that is read block by block."""


@dataclass(frozen=True, slots=True)
class FrameHistory:
    """A history that is in memory as one candle frame, oldest candle first."""

    candles: pl.DataFrame

    @property
    def first_open_ms(self) -> int:
        return int(open_times(self.candles.head(1))[0])

    @property
    def last_open_ms(self) -> int:
        return int(open_times(self.candles.tail(1))[0])

    def blocks(self) -> Iterator[pl.DataFrame]:
        if self.candles.height:
            yield self.candles


def open_times(candles: pl.DataFrame) -> NDArray[np.int64]:
    """The open times of a candle frame in milliseconds.

    By casts alone: the methods of polars that start a query would take longer than judging a condition.
    """
    times: NDArray[np.int64] = candles["open_time"].cast(pl.Datetime("ms", "UTC")).cast(pl.Int64).to_numpy()
    return times


def as_history(candles: AnyHistory) -> CandleHistory:
    """A candle frame as a history; a history as it is."""
    return FrameHistory(candles) if isinstance(candles, pl.DataFrame) else candles


def has_candles(candles: AnyHistory | None) -> bool:
    """Whether there is any candle."""
    return candles is not None and not (isinstance(candles, pl.DataFrame) and candles.is_empty())

"""Series and groups. A series is one instrument over one timeframe; a group is the series that a condition reads.

Both are strings that know their parts: they go into tables, keys and messages as they are, hash and compare as fast as
any string, and never have to be taken apart again.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Self

from common.errors import InstrumentError
from common.timeframes import normalise_timeframe
from registry.instruments import Instrument

_JOINED_BY = " + "
_REMEMBERED = 65_536


class Series(str):
    """All candles of one instrument over one timeframe: ``BINANCE:BTCUSDT 1h``."""

    __slots__ = ("instrument", "timeframe")

    instrument: Instrument
    timeframe: str
    """In its normalised spelling."""

    def __new__(cls, instrument: Instrument, timeframe: str) -> Self:
        series = super().__new__(cls, f"{instrument} {timeframe}")
        series.instrument = instrument
        series.timeframe = timeframe
        return series

    @classmethod
    def parse(cls, text: str) -> "Series":
        """The series that a canonical text names. Raises :class:`InstrumentError` or :class:`TimeframeError`."""
        return text if isinstance(text, Series) else _series(text)

    def at(self, timeframe: str) -> "Series":
        """The same instrument over another timeframe."""
        return Series(self.instrument, timeframe)

    def __repr__(self) -> str:
        return f"Series({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Series, (self.instrument, self.timeframe)


class Group(str):
    """The series that a condition reads, its own first: ``BINANCE:ETHUSDT 15m + BINANCE:BTCUSDT 1h``.

    Conditions of the same group are judged once the same candles are there, and share a watermark.
    """

    __slots__ = ("series",)

    series: tuple[Series, ...]
    """The base first."""

    def __new__(cls, series: Iterable[Series]) -> Self:
        parts = tuple(series)
        group = super().__new__(cls, _JOINED_BY.join(parts))
        group.series = parts
        return group

    @classmethod
    def parse(cls, text: str) -> "Group":
        """The group that a text names. Raises :class:`InstrumentError` or :class:`TimeframeError`."""
        return text if isinstance(text, Group) else _group(text)

    @property
    def base(self) -> Series:
        """The series on whose closed candles its conditions are judged."""
        return self.series[0]

    def __repr__(self) -> str:
        return f"Group({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Group, (self.series,)


def series_of(exchange: str, symbol: str, timeframe: str) -> Series:
    """The series that three names stand for, as in the columns of a candle frame."""
    return Series(Instrument(exchange, symbol), timeframe)


@lru_cache(maxsize=_REMEMBERED)
def _series(text: str) -> Series:
    name, _, timeframe = text.partition(" ")
    exchange, _, symbol = name.partition(":")
    if not (exchange and symbol):
        raise InstrumentError(f'{text!r} is not a series; write exchange, symbol and timeframe: "BINANCE:BTCUSDT 1h"')
    return series_of(exchange, symbol, normalise_timeframe(timeframe))


@lru_cache(maxsize=_REMEMBERED)
def _group(text: str) -> Group:
    return Group(map(_series, text.split(_JOINED_BY)))

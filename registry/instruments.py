"""What is traded where: one name for all spellings of an instrument.

    btc/usdt  BTC-USDT  BTC_USDT  BTCUSDT  BINANCE:BTCUSDT      ->  BINANCE:BTCUSDT
    BTC/USDT:USDT  BTCUSDT.P  BINANCE:BTC/USDT:USDT             ->  BINANCE:BTCUSDT.P

:mod:`registry.symbols` has all of them. These rules need no list of instruments; the aliases of a hub's own list, and
what only such a list can tell apart, are read by :mod:`registry.directory`.
"""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import inf
from typing import Literal

from common.errors import InstrumentError
from common.grids import UTC_GRID, Grid
from registry.symbols import LONGEST, InstrumentKind, Spelling, expiry_of, fold, kind_of, read_symbol, settle_of, shown

_REMEMBERED = 4096
"""Spellings: the same few are used again and again."""
_EXCHANGE = r"[A-Za-z][A-Za-z0-9_]{0,19}"
# An exchange's name contains neither "/" nor ".", so the colon of BTC/USDT:USDT does not follow an exchange.
_WITH_EXCHANGE = re.compile(rf"\s*(?P<exchange>{_EXCHANGE}):(?P<symbol>.*)", re.DOTALL)


Calendar = Literal["24x7", "sessions"]
"""When an instrument trades: always, or in sessions with the market closed in between."""


@dataclass(frozen=True, order=True, slots=True)
class Instrument:
    """One thing traded at one exchange, both names in their canonical spelling."""

    exchange: str
    symbol: str

    @classmethod
    def parse(cls, text: str) -> "Instrument":
        """The instrument of a canonical name; raises :class:`InstrumentError` for every other spelling."""
        exchange, symbol = split_exchange(text, "")
        if not exchange or f"{exchange}:{read_symbol(symbol).symbol(split=True)}" != text:
            raise InstrumentError(f"{shown(text)} is no canonical name of an instrument; write it like BINANCE:BTCUSDT")
        return cls(exchange, symbol)

    @property
    def kind(self) -> InstrumentKind:
        """``spot``, which includes stocks and currencies, ``perpetual``, or ``dated`` for a contract that expires."""
        return kind_of(self.symbol)

    @property
    def expiry(self) -> date | None:
        """The day on which it expires."""
        return expiry_of(self.symbol)

    @property
    def settle(self) -> str | None:
        """The currency in which a contract is settled, where it is not the quote currency."""
        return settle_of(self.symbol)

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}"


@dataclass(frozen=True)
class Listing:
    """What is known about an instrument, whether or not it has candles. Raises :class:`InstrumentError` for sizes that
    are not above 0, for aliases that cannot be written, and for a base and quote that are not its letters."""

    instrument: Instrument
    aliases: tuple[str, ...] = ()
    """Other names that its exchange or somebody else uses or used for it, of any shape, in any case."""
    tick_size: float | None = None
    """Smallest step of its price."""
    lot_size: float | None = None
    """Smallest step of an amount of it."""
    first_open_ms: int | None = None
    """Open time of its first candle ever, in milliseconds."""
    calendar: Calendar = "24x7"
    grid: Grid = UTC_GRID
    """Where its slots begin."""
    base: str | None = None
    quote: str | None = None
    """What is traded for what; both or neither, as stocks have no quote and many lists do not say it."""

    def __post_init__(self) -> None:
        for name, size in (("tick_size", self.tick_size), ("lot_size", self.lot_size)):
            if size is not None and not 0 < size < inf:
                raise InstrumentError(f"{name} of {self.instrument} is {size}; write a number above 0")
        for alias in self.aliases:
            if not fold(alias) or '"' in alias or not alias.isprintable():
                raise InstrumentError(
                    f"alias {shown(alias)} of {self.instrument} cannot be written; use 1 to {LONGEST} printable"
                    ' characters except "'
                )
        if (self.base or self.quote) and not self._has_the_pair_of_its_symbol():
            raise InstrumentError(
                f"base {self.base} and quote {self.quote} do not make up {self.instrument}; write both as in the symbol"
            )

    def _has_the_pair_of_its_symbol(self) -> bool:
        said = read_symbol(self.instrument.symbol)
        if said.quote is not None:
            return (self.base, self.quote) == (said.base, said.quote)
        return self.base is not None and self.quote is not None and self.base + self.quote == said.base

    @property
    def pair(self) -> tuple[str, str] | None:
        """Base and quote, where the listing or its symbol says them."""
        if self.base is not None and self.quote is not None:
            return self.base, self.quote
        said = self.spelling
        return None if said is None or said.quote is None else (said.base, said.quote)

    @property
    def spelling(self) -> Spelling | None:
        """What its symbol says; ``None`` for one that an older version of the hub has stored."""
        try:
            return read_symbol(self.instrument.symbol)
        except InstrumentError:
            return None


def normalise_exchange(text: str) -> str:
    """The exchange's name in capitals; raises :class:`InstrumentError` if it cannot be one."""
    if not re.fullmatch(_EXCHANGE, text.strip()):
        raise InstrumentError(
            f"exchange {shown(text)} is malformed; write a name of up to 20 letters, digits and _ such as BINANCE"
        )
    return text.strip().upper()


def split_exchange(text: str, default_exchange: str) -> tuple[str, str]:
    """The exchange that a name begins with, in capitals, or the default; and the rest of the name."""
    match = _WITH_EXCHANGE.fullmatch(text)
    return (default_exchange, text) if match is None else (match["exchange"].upper(), match["symbol"])


@lru_cache(maxsize=_REMEMBERED)
def normalise_instrument(text: str, default_exchange: str) -> Instrument:
    """The instrument that ``text`` names; ``default_exchange`` is used where it names no exchange.

    Raises :class:`InstrumentError` for what :func:`registry.symbols.read_symbol` refuses.
    """
    exchange, symbol = split_exchange(text, "") if len(text) <= LONGEST else ("", text)
    spelling = read_symbol(symbol)
    return Instrument(exchange or normalise_exchange(default_exchange), spelling.symbol())

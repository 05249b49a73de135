"""What is traded where: one name for all spellings of an instrument.

    btc/usdt  BTC-USDT  BTC_USDT  BTCUSDT  BINANCE:BTCUSDT      ->  BINANCE:BTCUSDT
    BTC/USDT:USDT  BTCUSDT.P  BINANCE:BTC/USDT:USDT             ->  BINANCE:BTCUSDT.P

``.P`` marks a perpetual contract, as on TradingView; ccxt appends the settlement currency after a colon instead.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from math import inf
from typing import Literal

from common.errors import InstrumentError
from common.grids import UTC_GRID, Grid

_LONGEST = 64
_REMEMBERED = 4096
"""Spellings: the same few are used again and again."""
# An exchange's name contains neither "/" nor "-", so the colon of BTC/USDT:USDT does not follow an exchange.
_SPELLING = re.compile(
    r"(?:(?P<exchange>[A-Z][A-Z0-9_]{0,19}):)?"
    r"(?P<base>[A-Z0-9]{1,20})(?:(?P<separator>[/_-])(?P<quote>[A-Z0-9]{1,20}))?"
    r"(?::(?P<settle>[A-Z0-9]{1,20}))?(?P<suffix>\.[A-Z0-9]{1,4})?"
)
_EXCHANGE = re.compile(r"[A-Z][A-Z0-9_]{0,19}")


Calendar = Literal["24x7", "sessions"]
"""When an instrument trades: always, or in sessions with the market closed in between."""


@dataclass(frozen=True, order=True, slots=True)
class Instrument:
    """One thing traded at one exchange, both names in their normalised spelling."""

    exchange: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}"


@dataclass(frozen=True)
class Listing:
    """What is known about an instrument, whether or not it has candles. Raises :class:`InstrumentError` for sizes that
    are not above 0."""

    instrument: Instrument
    aliases: tuple[str, ...] = ()
    """Other symbols that its exchange uses or used for it, normalised."""
    tick_size: float | None = None
    """Smallest step of its price."""
    lot_size: float | None = None
    """Smallest step of an amount of it."""
    first_open_ms: int | None = None
    """Open time of its first candle ever, in milliseconds."""
    calendar: Calendar = "24x7"
    grid: Grid = UTC_GRID
    """Where its slots begin."""

    def __post_init__(self) -> None:
        for name, size in (("tick_size", self.tick_size), ("lot_size", self.lot_size)):
            if size is not None and not 0 < size < inf:
                raise InstrumentError(f"{name} of {self.instrument} is {size}; write a number above 0")


def normalise_exchange(text: str) -> str:
    """The exchange's name in capitals; raises :class:`InstrumentError` if it cannot be one."""
    name = _folded(text)
    if not _EXCHANGE.fullmatch(name):
        raise InstrumentError(
            f"exchange {_shown(text)} is malformed; write a name of up to 20 letters, digits and _ such as BINANCE"
        )
    return name


@lru_cache(maxsize=_REMEMBERED)
def normalise_instrument(text: str, default_exchange: str) -> Instrument:
    """The instrument that ``text`` names; ``default_exchange`` is used where it names no exchange.

    Raises :class:`InstrumentError` if ``text`` is not a symbol, or names a contract that expires.
    """
    match = _SPELLING.fullmatch(_folded(text))
    if match is None:
        raise InstrumentError(
            f"symbol {_shown(text)} is malformed; write it like BTCUSDT, BTC/USDT, BINANCE:BTCUSDT, or BTCUSDT.P for a"
            " perpetual contract"
        )
    base, quote, settle, suffix = match["base"], match["quote"] or "", match["settle"], match["suffix"] or ""
    if settle is not None:
        if match["separator"] != "/" or settle not in (base, quote) or suffix:
            raise InstrumentError(
                f"symbol {_shown(text)} is malformed; a perpetual contract is written BTCUSDT.P, or BTC/USDT:USDT with"
                " its settlement currency behind the colon"
            )
        suffix = ".P"
    exchange = match["exchange"] or normalise_exchange(default_exchange)
    return Instrument(exchange, base + quote + suffix)


def resolve(instrument: Instrument, known: Iterable["Instrument | Listing"]) -> Instrument:
    """``instrument`` if it is among ``known``; otherwise raises :class:`InstrumentError` with the most similar name."""
    listings = [one if isinstance(one, Listing) else Listing(one) for one in known]
    by_name = {str(listing.instrument): listing.instrument for listing in listings}
    if (listed := by_name.get(str(instrument))) is not None:
        return listed
    if not by_name:
        raise InstrumentError(f"unknown instrument {instrument}; no instruments are known, import candles first")
    for listing in listings:
        if listing.instrument.exchange == instrument.exchange and instrument.symbol in listing.aliases:
            raise InstrumentError(f"{instrument} is another name for {listing.instrument}; write {listing.instrument}")
    # The same symbol at another exchange is a better guess than a similar symbol at the same exchange.
    elsewhere = sorted(name for name, candidate in by_name.items() if candidate.symbol == instrument.symbol)
    nearest = elsewhere or get_close_matches(str(instrument), by_name, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(nearest[:3])}?" if nearest else f"{len(by_name)} others are known"
    raise InstrumentError(f"unknown instrument {instrument}; {hint}")


def _folded(text: str) -> str:
    """The text in capitals, empty if it cannot be a name: some letters outside ASCII have capitals inside it."""
    return text.strip().upper() if len(text) <= _LONGEST and text.isascii() else ""


def _shown(text: str) -> str:
    return ascii(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")

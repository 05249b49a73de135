"""By which names instruments are read: by the rules of spelling alone, or with what a hub lists.

    with reading(directory):
        Condition.parse("OKX:BTC-USDT-SWAP 1h: rsi < 30")

Symbols are read deep inside two readers of conditions, and of files; a context says once, at the door, what they mean.
Each thread and each asyncio task has its own.
"""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol

from registry.instruments import Instrument, normalise_exchange, normalise_instrument, split_exchange
from registry.symbols import read_symbol


class Names(Protocol):
    """One way to read names."""

    @property
    def number(self) -> int:
        """Differs between any two that may read one text in two ways."""
        ...

    def read(self, text: str, default_exchange: str) -> Instrument:
        """The instrument that a text names; raises :class:`common.errors.InstrumentError`."""
        ...


class SpelledNames:
    """Reads by the rules of spelling alone: a slash separates and says nothing."""

    number = 0

    def read(self, text: str, default_exchange: str) -> Instrument:
        return normalise_instrument(text, default_exchange)


class CanonicalNames:
    """Reads what the hub itself has written, where a slash is part of the name."""

    number = 1

    def read(self, text: str, default_exchange: str) -> Instrument:
        exchange, symbol = split_exchange(text, "")
        return Instrument(exchange or normalise_exchange(default_exchange), read_symbol(symbol).symbol(split=True))


CANONICAL: Names = CanonicalNames()
_SPELLED: Names = SpelledNames()
_CURRENT: ContextVar[Names] = ContextVar("instrument_names", default=_SPELLED)


def reading(names: Names) -> AbstractContextManager[None]:
    """Within the block, names of instruments are read in this way."""
    return _Reading(names)


class _Reading(AbstractContextManager[None]):
    """Not a generator, which would take as long as reading a condition that was read before."""

    __slots__ = ("_names", "_token")

    def __init__(self, names: Names) -> None:
        self._names = names

    def __enter__(self) -> None:
        self._token = _CURRENT.set(self._names)

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)


def current_names() -> Names:
    """How names are read here."""
    return _CURRENT.get()


def read_instrument(text: str, default_exchange: str) -> Instrument:
    """The instrument that a text names here; ``default_exchange`` is used where it names no exchange.

    Raises :class:`common.errors.InstrumentError`.
    """
    return _CURRENT.get().read(text, default_exchange)

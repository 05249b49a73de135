"""Symbol and timeframe for conditions that do not name them.

    with defaults(symbol="BTCUSDT", timeframe="1h"):
        Condition.parse({"indicator": "RSI", "operator": "<", "value": 30})

Each thread and each asyncio task has its own. An inner block inherits what it does not name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from common.timeframes import normalise_timeframe
from registry.instruments import normalise_instrument


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is used where a condition names no symbol or no timeframe."""

    symbol: str | None = None
    timeframe: str | None = None


_NONE = Defaults()
_CURRENT: ContextVar[Defaults] = ContextVar("condition_defaults", default=_NONE)


@contextmanager
def defaults(*, symbol: str | None = None, timeframe: str | None = None) -> Iterator[None]:
    """Within the block, conditions that name no symbol or timeframe get these.

    Raises :class:`InstrumentError` or :class:`TimeframeError` for malformed ones.
    """
    if symbol is not None:
        normalise_instrument(symbol, "BINANCE")
    if timeframe is not None:
        normalise_timeframe(timeframe)
    outer = current_defaults()
    token = _CURRENT.set(Defaults(symbol or outer.symbol, timeframe or outer.timeframe))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_defaults() -> Defaults:
    """The defaults of the enclosing blocks."""
    return _CURRENT.get()

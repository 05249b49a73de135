"""Symbol and timeframe for conditions that do not name them.

    with defaults(symbol="BTCUSDT", timeframe="1h"):
        client.register_condition({"indicator": "RSI", "operator": "<", "value": 30})

Each thread and each asyncio task has its own. An inner block inherits what it does not name.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_SERIES = re.compile(r"""\s*(?:"[^"]*"|(?:[\w./:&-]|[^\x00-\x7f])+)\s+\w+(?: [a-z]+)?\s*:""", re.ASCII | re.IGNORECASE)


def begins_with_series(text: str) -> bool:
    """Whether a text begins with a symbol, a timeframe and a colon."""
    return _SERIES.match(text) is not None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is used where a condition names no symbol or no timeframe, and how texts are looked at that may name them:
    whoever can read the language sees more spellings than :func:`begins_with_series`."""

    symbol: str | None = None
    timeframe: str | None = None
    names_series: Callable[[str], bool] = begins_with_series


_NONE = Defaults()
_CURRENT: ContextVar[Defaults] = ContextVar("condition_defaults", default=_NONE)


@contextmanager
def defaults(
    *, symbol: str | None = None, timeframe: str | None = None, names_series: Callable[[str], bool] = begins_with_series
) -> Iterator[None]:
    """Within the block, conditions that name no symbol or timeframe get these. What is malformed is refused by the hub,
    with the condition."""
    outer = current_defaults()
    token = _CURRENT.set(Defaults(symbol or outer.symbol, timeframe or outer.timeframe, names_series))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_defaults() -> Defaults:
    """The defaults of the enclosing blocks."""
    return _CURRENT.get()

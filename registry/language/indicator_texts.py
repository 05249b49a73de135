"""The indicators that a canonical text names, without reading it into a tree: for counting those of many conditions."""

import re
from collections.abc import Iterator
from functools import lru_cache

from indicators.catalogue import NAMES

_NAME = re.compile(r"(?<![\w.@:/-])([a-z]\w*)(?![\w:/-])", re.ASCII)
_PLACE = re.compile(r"(?:\.\w+)?(?:\[\d+\])?((?:@[^\s,()]+)?)")
_REMEMBERED = 262_144


@lru_cache(maxsize=_REMEMBERED)
def indicator_texts(canonical: str) -> frozenset[str]:
    """The distinct indicators of a condition, each with its parameters, source and series; those in sources included.

    ``BINANCE:BTCUSDT 1h: rsi(14, close)@4h < 30`` has ``BINANCE:BTCUSDT 4h rsi(14, close)``. Several outputs of one
    indicator, and its values at different times, are one. Equal texts mean equal indicators.
    """
    header, _, expression = canonical.partition(": ")
    return frozenset(f"{place} {call}" for place, call in _calls(expression, 0, len(expression), header))


def _calls(text: str, start: int, stop: int, place: str) -> Iterator[tuple[str, str]]:
    """Series and text of each indicator between two positions; ``place`` is the series that they are read from."""
    at = start
    while (name := _NAME.search(text, at, stop)) is not None:
        at = name.end()
        if name[1] not in _INDICATORS:
            continue
        end = _closing(text, at) if at < stop and text[at] == "(" else at
        behind = _PLACE.match(text, end)
        own = place if behind is None or not behind[1] else _elsewhere(place, behind[1])
        yield own, text[name.start() : end]
        if end > at:
            yield from _calls(text, at, end, own)
        at = end


def _elsewhere(place: str, written: str) -> str:
    """The series that an ``@`` names: whatever it leaves out is the condition's own."""
    instrument, _, timeframe = place.rpartition(" ")
    for part in written[1:].split("@"):
        if part[:1].isdigit() and ":" not in part:
            timeframe = part
        else:
            instrument = part
    return f"{instrument} {timeframe}"


def _closing(text: str, opening: int) -> int:
    """The position behind the parenthesis that closes one."""
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at + 1
    return len(text)


_INDICATORS = frozenset(NAMES)

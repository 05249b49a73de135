"""Conditions as they are sent: the JSON schemas of their spellings, and a cached reader."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import msgspec

from common.errors import ConditionError
from common.timeframes import DURATION_MS
from indicators.catalogue import NAMES, PRICES
from registry.condition_cache import ConditionCache
from registry.conditions import Condition
from registry.directory import Directory
from registry.language.as_json.objects import shown
from registry.language.limits import TYPED
from registry.language.vocabulary import ALL_OPERATORS
from registry.naming import reading

_LONGEST_KEY = 400
_SHORT_TEXT, _FEW_FIELDS = 200, 12

_SERIES = {
    "symbol": {
        "type": "string",
        "description": "BTCUSDT, BTC/USDT, BINANCE:BTCUSDT, BTCUSDT.P for a perpetual contract, BTCUSDT-20250328 for"
        " one that expires, or an alias",
    },
    "timeframe": {
        "type": "string",
        "description": f"One of {' '.join(DURATION_MS)}, or another spelling of one: 60m",
    },
    "exchange": {"type": ["string", "null"], "description": "Used if the symbol names none; BINANCE by default"},
}
_TEXT = {"type": "string", "maxLength": TYPED.characters, "examples": ["BTCUSDT 1h: rsi(14) crosses_below 30"]}
_FLAT_EXAMPLE = {
    "symbol": "BTCUSDT",
    "timeframe": "1h",
    "indicator": "RSI",
    "operator": "crosses_below",
    "value": 30,
    "period": 14,
}
_FLAT = {
    "title": "Flat",
    "type": "object",
    "properties": {
        **_SERIES,
        "indicator": {
            "type": "string",
            "description": f"A price ({' '.join(PRICES)}) or an indicator: {' '.join(NAMES)}, in any case",
        },
        "operator": {"type": "string", "description": f"{' '.join(ALL_OPERATORS)}, or a synonym"},
        "value": {"description": 'A number, an operand such as "sma(200)", [low, high], or "5%"'},
        "period": {"type": ["number", "null"]},
        "params": {"type": ["object", "null"], "additionalProperties": {"type": "number"}},
        "component": {"type": ["string", "null"], "description": "An output of the indicator: histogram"},
        "source": {
            "type": ["string", "object", "null"],
            "description": f"What the indicator is computed from: one of {' '.join(PRICES)}; or an operand, as its text"
            ' ("rsi(14)", "high - low") or as an object ({"indicator": "rsi", "period": 14})',
        },
        "bars": {"type": ["number", "null"]},
        "fire": {"enum": ["every_bar", None]},
    },
    "required": ["symbol", "timeframe", "indicator", "operator"],
    "additionalProperties": False,
    "examples": [_FLAT_EXAMPLE],
}
_TREE = {
    "title": "Tree",
    "type": "object",
    "properties": {
        **_SERIES,
        "when": {"anyOf": [{"type": "object"}, {"type": "string"}], "description": "The tree, or the text of one"},
    },
    "required": ["symbol", "timeframe", "when"],
    "additionalProperties": False,
    "examples": [
        {
            "symbol": "BTCUSDT",
            "timeframe": "1h",
            "when": {"all": [{"left": {"indicator": "rsi"}, "operator": "<", "right": 30}, "close > sma(200)@4h"]},
        }
    ],
}
_WRAPPED = {
    "title": "Text",
    "type": "object",
    "properties": {"condition": _TEXT},
    "required": ["condition"],
    "additionalProperties": False,
    "examples": [{"condition": "BTCUSDT 1h: rsi(14) crosses_below 30"}],
}
OBJECT_SCHEMA: dict[str, Any] = {"title": "Condition", "anyOf": [_FLAT, _TREE, _WRAPPED]}
"""JSON schema of a condition that is the whole body. It is wider than the language, which no schema can express."""
SPELLING_SCHEMA: dict[str, Any] = {"title": "Condition", "anyOf": [_FLAT, _TREE, _WRAPPED, _TEXT]}
"""JSON schema of a condition inside a body, which may also be its text alone."""
BULK_SCHEMA: dict[str, Any] = {
    "title": "Condition",
    "description": "As for /conditions/register, or its text alone; one that is not valid gets an error in its result",
    "examples": [_FLAT_EXAMPLE, "BTCUSDT 1h: rsi(14) crosses_below 30"],
}
"""JSON schema of one condition of a bulk. It allows anything: each gets its own result, and none fails the request."""


def is_short(spelling: object) -> bool:
    """Whether a spelling is read, or refused, within a few milliseconds: short, flat, and nothing that unfolds.

    Only a move within several candles unfolds, and it names their number: ``within`` in a text, ``bars`` in an object.
    A time window may have to look through the history of its zone's clocks.
    """
    if isinstance(spelling, str):
        return _is_short_text(spelling)
    if not isinstance(spelling, dict) or len(spelling) > _FEW_FIELDS or "bars" in spelling or "when" in spelling:
        return False
    for value in spelling.values():
        if isinstance(value, str):
            if not _is_short_text(value):
                return False
        elif isinstance(value, list | dict) and not (
            len(value) <= _FEW_FIELDS and all(map(_is_number, value.values() if isinstance(value, dict) else value))
        ):
            return False
    return True


def _is_short_text(text: str) -> bool:
    # A text that begins with a brace is an object as JSON, where every letter can be written as an escape.
    is_plain = "within" not in text.lower() and "during" not in text.lower()
    return len(text) <= _SHORT_TEXT and is_plain and not text.lstrip().startswith("{")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


class Spellings:
    """Reads conditions. Many users send the same few, so those used last are cached, in ``size`` bytes of memory.

    :meth:`Condition.parse` has a cache too, but not of trees, and those take hundreds of times as long to parse.
    """

    def __init__(self, default_exchange: str, directory: Callable[[], Directory], *, size: int) -> None:
        """``directory`` has the instruments as they are listed at the moment."""
        self._default_exchange = default_exchange
        self._directory = directory
        self._cache = ConditionCache(size)

    @property
    def memory(self) -> int:
        """Bytes of memory that the cached conditions take, as estimated."""
        return self._cache.memory

    def read(self, spelling: object) -> Condition:
        """The condition of an object or a text; raises :class:`ConditionError`."""
        directory = self._directory()
        key = _key(spelling, directory)
        known = self._cache.get(key)
        if known is not None:
            return known
        with reading(directory):
            condition = Condition.parse(_unwrapped(spelling), default_exchange=self._default_exchange)
        return self._cache.put(key, condition)


def _key(spelling: object, directory: Directory) -> tuple[int, bytes]:
    """The spelling as JSON, or the hash of a long one: a key takes memory, too. Another list may read it otherwise."""
    encoded = msgspec.json.encode(spelling)
    return directory.number, encoded if len(encoded) <= _LONGEST_KEY else sha256(encoded).digest()


def _unwrapped(spelling: object) -> Mapping[str, object] | str:
    if not isinstance(spelling, dict):
        if isinstance(spelling, str):
            return spelling
        raise ConditionError(f"a condition is text or an object, got {shown(spelling)}", pointer="")
    if "condition" not in spelling:
        return spelling
    text = spelling["condition"]
    if len(spelling) > 1:
        others = ", ".join(shown(name) for name in sorted(set(spelling) - {"condition"})[:3])
        raise ConditionError(f"a condition sent as text stands alone; leave out {others}", pointer="")
    if not isinstance(text, str):
        raise ConditionError(f"condition must be text, got {shown(text)}", pointer="/condition")
    return text

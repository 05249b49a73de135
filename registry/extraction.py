"""The conditions in a bot's configuration, wherever in it they are.

    {"symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 100,
     "entryConditions": [{"indicator": "RSI", "operator": "<", "value": 30}, "close > sma(200)"],
     "dcaRules": {"rules": [{"indicator": "RSI", "operator": "crosses_below", "value": 25, "orderSize": 50}]}}

A condition is

- an object with ``indicator`` and ``operator`` (``registry.language.as_json.flat``), or with ``when``
(``registry.language.as_json.reading``), or one that says the same in another shape (``registry.condition_shapes``);
- a text that compares a price or an indicator, or begins with a symbol and a timeframe; below a key that ends in
``condition`` or ``conditions`` (``entryConditions``, ``exit_condition``) any text of several words, and below others
that announce conditions (``entry``, ``signal``, ``rules``) one that names an indicator. A single word there
(``"immediately"``) is a mode, not a condition.

What looks like a condition and cannot be read is an error; names and notes (``name``, ``description``) are not looked
into. Any other fields of a condition's object belong to the bot (``orderSize``, ``action``) and are ignored, unless
they look like misspelled fields of a condition. Symbol, timeframe and exchange come from the condition, else from the
nearest object around it: ``symbol``, ``pair`` or ``market``, or a list ``symbols``, ``pairs`` or ``selectedPairs``,
which gives one condition for each entry; ``timeframe`` or ``interval``; ``exchange``. An object with ``"enabled":
false`` or ``"active": false`` is left out with everything in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from common.errors import ConditionError, InstrumentError, TimeframeError
from common.timeframes import normalise_timeframe
from condition_hub.json_pointers import step
from registry.condition_shapes import (
    ConditionShape,
    contains_condition,
    mentions_condition,
    shape_of,
    snake,
    unreadable,
)
from registry.condition_words import looks_like_text
from registry.conditions import Condition

_DEEPEST = 16
_MOST_VALUES = 10_000
_SYMBOL_KEYS = ("symbol", "pair", "market")
_SYMBOLS_KEYS = ("symbols", "pairs", "selected_pairs")
_OWN_SERIES = "same"
_ANNOUNCING = frozenset({
    "entry", "entries", "exit", "exits", "trigger", "triggers", "signal", "signals", "rule", "rules", "filter",
    "filters", "when", "buy", "sell", "long", "short",
})  # fmt: skip
"""Last words of keys below which a text of several words that names an indicator is a condition."""
_NOTES = frozenset({
    "name", "title", "label", "description", "comment", "comments", "note", "notes", "tag", "tags", "id", "url", "link",
    "author", "text", "message", "key", "secret", "token", "password", "passphrase", "signature", "hash",
})  # fmt: skip
"""Last words of keys whose texts are for people, or for nobody."""


@dataclass(frozen=True, slots=True)
class _Around:
    """What the enclosing objects say about the conditions in a value."""

    symbols: tuple[str, ...] = ()
    timeframe: str | None = None
    exchange: str = "BINANCE"
    named: bool = False
    """Whether an enclosing key ends in ``condition`` or ``conditions``."""
    announced: bool = False
    """Whether an enclosing key announces conditions in other words."""
    in_notes: bool = False
    """Whether the nearest key is one of texts that are no conditions."""

    def below(self, key: str) -> "_Around":
        """The surroundings of what stands below a key."""
        last = key.rsplit("_", 1)[-1]
        return replace(
            self,
            named=self.named or last in ("condition", "conditions"),
            announced=self.announced or last in _ANNOUNCING,
            in_notes=last in _NOTES,
        )

    def named_text(self, text: str) -> bool:
        """Whether a text is a condition."""
        if self.in_notes:
            return False
        return (self.named and len(text.split()) > 1) or looks_like_text(text, announced=self.announced)

    def within(self, config: Mapping[str, object]) -> "_Around":
        around = self
        for key, value in config.items():
            match snake(key), value:
                case "exchange", str():
                    around = replace(around, exchange=value)
                case "timeframe", str() if value != _OWN_SERIES:
                    around = replace(around, timeframe=value)
                case "interval", str() if _is_timeframe(value) and "timeframe" not in config:
                    around = replace(around, timeframe=value)
                case name, str() if name in _SYMBOL_KEYS:
                    around = replace(around, symbols=(value,))
                case name, list() | tuple() if name in _SYMBOLS_KEYS and all(isinstance(one, str) for one in value):
                    around = replace(around, symbols=tuple(value))
        return around


def extract_conditions(
    bot_config: Mapping[str, object],
    *,
    symbol: str | None = None,
    timeframe: str | None = None,
    default_exchange: str = "BINANCE",
) -> list[Condition]:
    """The conditions of a DCA, Grid, Trend or market making bot, in the order of the configuration, without duplicates.

    ``symbol`` and ``timeframe`` are used where neither a condition nor the configuration names one. Raises
    :class:`ConditionError` with the JSON pointer of what cannot be read.
    """
    placed = placed_conditions(bot_config, symbol=symbol, timeframe=timeframe, default_exchange=default_exchange)
    conditions: dict[str, Condition] = {}
    for _, condition in placed:
        conditions.setdefault(condition.id, condition)
    return list(conditions.values())


def placed_conditions(
    bot_config: Mapping[str, object],
    *,
    symbol: str | None = None,
    timeframe: str | None = None,
    default_exchange: str = "BINANCE",
) -> list[tuple[str, Condition]]:
    """(JSON pointer, condition) of every condition, also of equal ones; see :func:`extract_conditions`."""
    if not isinstance(bot_config, Mapping):
        raise ConditionError(f"a bot's configuration is an object, got a value of type {type(bot_config).__name__}")
    around = _Around((symbol,) if symbol is not None else (), timeframe, default_exchange)
    return [
        (pointer, _parsed(shape, name, where, pointer))
        for shape, pointer, where in _shapes(bot_config, around)
        for name in where.symbols or (None,)
    ]


def _shapes(config: Mapping[str, object], around: _Around) -> Iterator[tuple[ConditionShape, str, _Around]]:
    """Every condition as written, its pointer, and its surroundings; does not recurse."""
    waiting: list[tuple[object, str, str, _Around, int, bool]] = [(config, "", "", around, 1, False)]
    seen = 0
    while waiting:
        value, key, pointer, outer, depth, in_list = waiting.pop()
        seen += 1
        if seen > _MOST_VALUES or depth > _DEEPEST:
            raise ConditionError(
                f"the configuration is too large: at most {_MOST_VALUES} values in {_DEEPEST} levels", pointer=pointer
            )
        if isinstance(value, str):
            if outer.named_text(value):
                yield ConditionShape(value), pointer, outer
            continue
        if isinstance(value, Mapping):
            if value.get("enabled") is False or value.get("active") is False:
                continue
            inner = outer.within(value)
        elif isinstance(value, list | tuple):
            inner = outer
        else:
            continue
        shape = shape_of(value, key, pointer, announced=outer.named or outer.announced)
        if shape is not None:
            yield shape, pointer, inner
            continue
        # What stands in a list of conditions is one; elsewhere an object may be a mode.
        is_expected = isinstance(value, Mapping) and outer.named and (in_list or mentions_condition(value))
        if is_expected and value and not contains_condition(value, announced=True):
            raise unreadable(pointer)
        # The parts of a list are below the same key.
        parts = value.items() if isinstance(value, Mapping) else ((None, part) for part in value)
        children = []
        for place, (name, child) in enumerate(parts):
            below, child_key = (inner, key) if name is None else (inner.below(snake(name)), str(name))
            at = step(pointer, place if name is None else name)
            children.append((child, child_key, at, below, depth + 1, name is None))
        waiting += reversed(children)


def _parsed(shape: ConditionShape, symbol: str | None, where: _Around, pointer: str) -> Condition:
    try:
        return Condition.parse(shape.source, symbol=symbol, timeframe=where.timeframe, default_exchange=where.exchange)
    except (ConditionError, InstrumentError, TimeframeError) as error:
        inside = error.pointer or "" if isinstance(error, ConditionError) else ""
        at = error.position if isinstance(error, ConditionError) else None
        raise ConditionError(
            f"{pointer or 'the configuration'}: {error}", position=at, pointer=shape.pointer(pointer, inside)
        ) from error


def _is_timeframe(text: str) -> bool:
    try:
        normalise_timeframe(text)
    except TimeframeError:
        return False
    return True

"""The conditions in a bot's configuration, wherever in it they are.

    {"symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 100,
     "entryConditions": [{"indicator": "RSI", "operator": "<", "value": 30}, "close > sma(200)"],
     "dcaRules": {"rules": [{"indicator": "RSI", "operator": "crosses_below", "value": 25, "orderSize": 50}]}}

A condition is

- an object with ``indicator`` and ``operator`` (``registry.language.as_json.flat``), or with ``when``
(``registry.language.as_json.reading``);
- below a key that ends in ``condition`` or ``conditions`` (``entryConditions``, ``exit_condition``): also a text, or a
  tree such as ``{"all": [...]}``. A single word there (``"immediately"``) is a mode, not a condition.

Any other fields of such an object belong to the bot (``orderSize``, ``action``) and are ignored, unless they look like
misspelled fields of a condition. Symbol, timeframe and exchange come from the condition, else from the nearest object
around it: ``symbol``, ``pair`` or ``market``, or a list ``symbols``, ``pairs`` or ``selectedPairs``, which gives one
condition for each entry; ``timeframe`` or ``interval``; ``exchange``. An object with ``"enabled": false`` or
``"active": false`` is left out with everything in it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from common.errors import ConditionError, InstrumentError, TimeframeError
from common.timeframes import normalise_timeframe
from registry.conditions import Condition
from registry.language.as_json.flat import FlatCondition
from registry.language.as_json.objects import step
from registry.language.as_json.tree import COMPOSITES

_DEEPEST = 16
_MOST_VALUES = 10_000
_SYMBOL_KEYS = ("symbol", "pair", "market")
_SYMBOLS_KEYS = ("symbols", "pairs", "selected_pairs")
_OTHER_NAMES = {"compare_value": "value", "parameters": "params", "output": "component"}
_OWN_SERIES = "same"
_FIELDS = tuple(FlatCondition.model_fields)
_WHOLE = ("symbol", "exchange", "timeframe", "when")


@dataclass(frozen=True, slots=True)
class _Around:
    """What the enclosing objects say about the conditions in a value."""

    symbols: tuple[str, ...] = ()
    timeframe: str | None = None
    exchange: str = "BINANCE"
    named: bool = False
    """Whether an enclosing key announces conditions."""

    def within(self, config: Mapping[str, object]) -> "_Around":
        around = self
        for key, value in config.items():
            match _snake(key), value:
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
    if not isinstance(bot_config, Mapping):
        raise ConditionError(f"a bot's configuration is an object, got a value of type {type(bot_config).__name__}")
    around = _Around((symbol,) if symbol is not None else (), timeframe, default_exchange)
    conditions: dict[str, Condition] = {}
    for source, pointer, where in _sources(bot_config, around):
        for name in where.symbols or (None,):
            condition = _parsed(source, name, where, pointer)
            conditions.setdefault(condition.id, condition)
    return list(conditions.values())


def _sources(
    config: Mapping[str, object], around: _Around
) -> Iterator[tuple[str | Mapping[str, object], str, _Around]]:
    """Every condition as written, its pointer, and its surroundings; does not recurse."""
    waiting: list[tuple[object, str, _Around, int]] = [(config, "", around, 1)]
    seen = 0
    while waiting:
        value, pointer, outer, depth = waiting.pop()
        seen += 1
        if seen > _MOST_VALUES or depth > _DEEPEST:
            raise ConditionError(
                f"the configuration is too large: at most {_MOST_VALUES} values in {_DEEPEST} levels", pointer=pointer
            )
        match value:
            case str() if outer.named and len(value.split()) > 1:
                yield value, pointer, outer
            case list() | tuple():
                waiting += [
                    (child, step(pointer, place), outer, depth + 1) for place, child in reversed(list(enumerate(value)))
                ]
            case Mapping() if value.get("enabled") is not False and value.get("active") is not False:
                inner = outer.within(value)
                source = _condition(value, inner, pointer)
                if source is not None:
                    yield source, pointer, inner
                    continue
                for key, child in reversed(list(value.items())):
                    named = outer.named or _snake(key).endswith(("condition", "conditions"))
                    waiting.append((child, step(pointer, key), replace(inner, named=named), depth + 1))


def _condition(value: Mapping[str, object], inner: _Around, pointer: str) -> Mapping[str, object] | None:
    """The part of an object that is a condition, or ``None``."""
    if "when" in value:
        return {key: value[key] for key in _WHOLE if key in value}
    if "indicator" in value and "operator" in value:
        fields: dict[str, object] = {}
        for key, field_value in value.items():
            name = _OTHER_NAMES.get(_snake(key), key)
            if name in _FIELDS:
                fields[name] = field_value
            elif near := get_close_matches(key.lower(), _FIELDS, n=1, cutoff=0.8):
                raise ConditionError(
                    f"unknown field {key[:64]!a} (did you mean {near[0]}?); rename it if it is the bot's own",
                    pointer=step(pointer, key),
                )
        if fields.get("timeframe") == _OWN_SERIES:
            del fields["timeframe"]
        return fields
    return {"when": value} if inner.named and len(value) == 1 and next(iter(value)) in COMPOSITES else None


def _parsed(source: str | Mapping[str, object], symbol: str | None, where: _Around, pointer: str) -> Condition:
    try:
        return Condition.parse(source, symbol=symbol, timeframe=where.timeframe, default_exchange=where.exchange)
    except (ConditionError, InstrumentError, TimeframeError) as error:
        inside = error.pointer or "" if isinstance(error, ConditionError) else ""
        at = error.position if isinstance(error, ConditionError) else None
        raise ConditionError(f"{pointer}: {error}", position=at, pointer=pointer + inside) from error


def _is_timeframe(text: str) -> bool:
    try:
        normalise_timeframe(text)
    except TimeframeError:
        return False
    return True


def _snake(key: object) -> str:
    """``entryConditions`` -> ``entry_conditions``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key)[:64]).lower()

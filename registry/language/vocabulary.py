"""The words of a condition in all of its spellings: operators, prices, indicators and what belongs to them.

The functions take a word as a trader wrote it, and raise :class:`ConditionError` with the allowed words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Literal, TypeVar

from common.errors import ConditionError
from common.spelling import did_you_mean
from indicators.catalogue import NAMES, PRICES, Indicator, IndicatorError, catalogue, find
from registry.language.surface import ChannelOperator, MoveOperator, TrendOperator
from registry.language.tree import Operator

AnyOperator = Operator | Literal["crosses"] | ChannelOperator | MoveOperator | TrendOperator

_SPELLINGS: dict[Operator | Literal["crosses"], tuple[str, ...]] = {
    "<": ("<", "lt", "below", "is_below", "less_than", "is_less_than", "less", "lower_than", "under", "is_under"),
    "<=": ("<=", "=<", "le", "lte", "at_most", "less_than_or_equal", "less_than_or_equal_to"),
    ">": (
        ">", "gt", "above", "is_above", "greater_than", "is_greater_than", "greater", "higher_than", "over", "is_over",
    ),
    ">=": (">=", "=>", "ge", "gte", "at_least", "greater_than_or_equal", "greater_than_or_equal_to"),
    "crosses_above": (
        "crosses_above", "crosses_over", "crosses_up", "crossing_above", "crossing_over", "crossing_up",
        "crossed_above", "crossed_over", "crossed_up", "cross_above", "cross_over", "cross_up", "crossover",
    ),
    "crosses_below": (
        "crosses_below", "crosses_under", "crosses_down", "crossing_below", "crossing_under", "crossing_down",
        "crossed_below", "crossed_under", "crossed_down", "cross_below", "cross_under", "cross_down", "crossunder",
    ),
    "crosses": ("crosses", "crossing", "crossed", "cross"),
}  # fmt: skip
_CHANNEL_SPELLINGS: dict[ChannelOperator, tuple[str, ...]] = {
    "between": (
        "between", "is_between", "inside", "is_inside", "inside_channel", "in_channel", "inside_range", "in_range",
    ),
    "outside": (
        "outside", "is_outside", "outside_channel", "out_of_channel", "outside_range", "out_of_range", "not_between",
    ),
    "enters": ("enters", "entering", "entered", "enters_channel", "entering_channel", "entered_channel"),
    "exits": (
        "exits", "exiting", "exited", "leaves", "leaving", "exits_channel", "exiting_channel", "exited_channel",
    ),
}  # fmt: skip
_MOVE_SPELLINGS: dict[MoveOperator, tuple[str, ...]] = {
    "rises_by": ("rises_by", "rising_by", "rose_by", "moves_up", "moving_up", "moved_up", "increases_by"),
    "falls_by": ("falls_by", "falling_by", "fell_by", "moves_down", "moving_down", "moved_down", "decreases_by"),
}
_PERCENT_ENDINGS = ("_%", "_percent", "_pct")
_TREND_SPELLINGS: dict[TrendOperator, tuple[str, ...]] = {
    "rising": ("rising", "is_rising", "rises", "increasing", "is_increasing"),
    "falling": ("falling", "is_falling", "falls", "decreasing", "is_decreasing"),
}

_Meant = TypeVar("_Meant")


def _by_spelling(spellings: Mapping[_Meant, Iterable[str]]) -> dict[str, _Meant]:
    return {spelling: meant for meant, spelled in spellings.items() for spelling in spelled}


# Every accepted spelling, in lower case with ``_`` for blanks -> the operator.
COMPARISONS: Mapping[str, Operator | Literal["crosses"]] = MappingProxyType(_by_spelling(_SPELLINGS))
"""Operators with one operand on each side."""
CHANNELS: Mapping[str, ChannelOperator] = MappingProxyType(_by_spelling(_CHANNEL_SPELLINGS))
"""Operators with a channel of two operands on the right."""
MOVES: Mapping[str, tuple[MoveOperator, bool]] = MappingProxyType(
    {
        spelling + ending: (meant, bool(ending))
        for spelling, meant in _by_spelling(_MOVE_SPELLINGS).items()
        for ending in ("", *_PERCENT_ENDINGS)
    }
)
"""Operators with an amount on the right; whether the spelling says that it is a percentage."""
TRENDS: Mapping[str, TrendOperator] = MappingProxyType(_by_spelling(_TREND_SPELLINGS))
"""Operators with a number of candles on the right, one by default."""
ALL_OPERATORS: tuple[AnyOperator, ...] = (*_SPELLINGS, *_CHANNEL_SPELLINGS, *_MOVE_SPELLINGS, *_TREND_SPELLINGS)
"""The names of all operators."""

_PRICE_ALIASES = {"price": "close", "vol": "volume"}
_OUTPUT_ALIASES = {
    "hist": "histogram", "macd": "line", "macd_line": "line", "signal_line": "signal",
    "upper_band": "upper", "upperband": "upper", "lower_band": "lower", "lowerband": "lower",
    "middle_band": "middle", "middleband": "middle", "basis": "middle", "width": "bandwidth",
    "slowk": "k", "slowd": "d",
}  # fmt: skip
DEFAULT_SOURCE = "close"
"""What an indicator with a selectable source is computed from if none is named."""


def fold(word: str) -> str:
    """``word`` as operators are spelled in the tables: in lower case, with one ``_`` between words."""
    return "_".join(word.lower().replace("_", " ").split())


def find_comparison(word: str) -> Operator | Literal["crosses"]:
    """The operator between two operands that ``word`` spells."""
    operator = COMPARISONS.get(fold(word))
    if operator is None:
        raise _unknown_operator(word)
    return operator


def find_operator(word: str) -> AnyOperator:
    """The operator that ``word`` spells, whatever operands it takes."""
    folded = fold(word)
    operator = COMPARISONS.get(folded) or CHANNELS.get(folded) or TRENDS.get(folded)
    if operator is not None:
        return operator
    if folded in MOVES:
        return MOVES[folded][0]
    raise _unknown_operator(word)


def find_price(word: str) -> str | None:
    """The price that ``word`` names, or ``None``."""
    folded = word.lower()
    folded = _PRICE_ALIASES.get(folded, folded)
    return folded if folded in PRICES else None


def unknown_price(word: str) -> str:
    """The message about a word that names no price."""
    return f"unknown price {word!r}{did_you_mean(word, PRICES)}; use one of {' '.join(PRICES)}"


def find_indicator(word: str) -> Indicator:
    """The catalogue's record for a name or an alias."""
    try:
        return find(word)
    except IndicatorError:
        hint = did_you_mean(word, _operand_names())
        raise ConditionError(
            f"unknown indicator or price {word!r}{hint}; indicators: {' '.join(NAMES)}; prices: {' '.join(PRICES)}"
        ) from None


def is_operand(word: str) -> bool:
    """Whether ``word`` names a price or an indicator."""
    return word.lower() in _operand_names()


def find_source(record: Indicator, word: str | None) -> str | None:
    """The price that ``record`` is computed from: ``close`` by default, ``None`` if it cannot be chosen."""
    if not record.has_source:
        if word is not None:
            raise ConditionError(
                f"{record.name} is always computed from {' '.join(record.inputs)}, so it takes no source {word!r}"
            )
        return None
    if word is None:
        return DEFAULT_SOURCE
    source = find_price(word)
    if source is None:
        hint = did_you_mean(word, PRICES)
        raise ConditionError(f"{record.name} has no source {word!r}{hint}; use one of {' '.join(PRICES)}")
    return source


def find_output(record: Indicator, word: str | None) -> str:
    """The name of the output that ``word`` means; the record's default output for ``None``."""
    names = [output.name for output in record.outputs]
    if word is None:
        if record.default_output is None:
            raise ConditionError(
                f"{record.name} has several outputs; say which one: "
                + " ".join(f"{record.name}.{name}" for name in names)
            )
        return record.default_output
    folded = _OUTPUT_ALIASES.get(word.lower(), word.lower())
    if folded == record.name and record.default_output is not None:
        return record.default_output
    if folded not in names:
        hint = did_you_mean(word, names)
        raise ConditionError(f"{record.name} has no output {word!r}{hint}; it has {' '.join(names)}")
    return folded


def complete_parameters(record: Indicator, values: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """All parameters of ``record`` in its order; those missing from ``values`` have their defaults."""
    try:
        return tuple(record.complete(values).items())
    except IndicatorError as error:
        raise ConditionError(str(error)) from None


def misfit(record: Indicator, values: Mapping[str, float]) -> str | None:
    """The parameter that :func:`complete_parameters` refuses; ``None`` if each is allowed by itself."""
    alone = replace(record, rule=None)
    for name, value in values.items():
        try:
            alone.complete({name: value})
        except IndicatorError:
            return name
    return None


def _unknown_operator(word: str) -> ConditionError:
    hint = did_you_mean(fold(word), [*COMPARISONS, *CHANNELS, *MOVES, *TRENDS])
    return ConditionError(f"unknown operator {word!r}{hint}; use one of {' '.join(ALL_OPERATORS)}")


@cache
def _operand_names() -> tuple[str, ...]:
    aliases = (alias for record in catalogue().values() for alias in record.aliases)
    return (*NAMES, *PRICES, *aliases, *_PRICE_ALIASES)

"""The words of a condition in all of its spellings: operators, prices, indicators and what belongs to them.

The functions take a word as a trader wrote it, and raise :class:`ConditionError` with the allowed words.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import Literal, TypeVar

from common.errors import ConditionError
from common.spelling import did_you_mean
from indicators.catalogue import NAMES, PRICES, Indicator, IndicatorError, catalogue, find
from registry.language.functions import is_function, not_alone
from registry.language.surface import ChannelOperator, MoveOperator, TrendOperator
from registry.language.tree import Operator

AnyOperator = Operator | Literal["crosses"] | ChannelOperator | MoveOperator | TrendOperator

_SPELLINGS: dict[Operator | Literal["crosses"], tuple[str, ...]] = {
    "<": ("<", "lt", "below", "is_below", "less_than", "is_less_than", "less", "lower_than", "under", "is_under"),
    "<=": ("<=", "=<", "\u2264", "le", "lte", "at_most", "less_than_or_equal", "less_than_or_equal_to"),
    ">": (
        ">", "gt", "above", "is_above", "greater_than", "is_greater_than", "greater", "higher_than", "over", "is_over",
    ),
    ">=": (">=", "=>", "\u2265", "ge", "gte", "at_least", "greater_than_or_equal", "greater_than_or_equal_to"),
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

_MOST_NEIGHBOURS = 3
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
    "slowk": "k", "slowd": "d", "tenkan": "conversion", "tenkan_sen": "conversion", "kijun": "base",
    "kijun_sen": "base",
}  # fmt: skip
_PARAMETER_ALIASES: dict[str, tuple[str, ...]] = {
    "length": ("period",), "len": ("period",), "window": ("period",), "timeperiod": ("period",),
    "time_period": ("period",), "periods": ("period",), "fastperiod": ("fast",), "fast_period": ("fast",),
    "fastlength": ("fast",), "fast_length": ("fast",), "slowperiod": ("slow",), "slow_period": ("slow",),
    "slowlength": ("slow",), "slow_length": ("slow",), "signalperiod": ("signal",), "signal_period": ("signal",),
    "signal_length": ("signal",), "std": ("stddev",), "std_dev": ("stddev",), "nbdev": ("stddev",),
    "mult": ("stddev", "multiplier"), "factor": ("multiplier",), "acceleration": ("step",), "maximum": ("max",),
}  # fmt: skip
_WITH_PERIOD = re.compile(
    r"(?P<name>.*?[a-z])(?:[ _-]?(?P<period>[0-9]{1,4})| ?\((?P<inside>[0-9]{1,4})\))", re.ASCII | re.IGNORECASE
)


def fold(word: str) -> str:
    """``word`` as operators are spelled in the tables: in lower case, with one ``_`` between words."""
    return "_".join(re.sub("(?<=[a-z])(?=[A-Z])", " ", word).lower().replace("_", " ").split())


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
    """The catalogue's record for a name or an alias; a function of operands is none."""
    if is_function(word):
        raise ConditionError(not_alone(word))
    record = known_indicator(word)
    if record is None:
        raise ConditionError(
            f"unknown indicator or price {word!r}{_neighbours(word)}; the prices are {' '.join(PRICES)}, and"
            " docs/indicators.md lists the indicators"
        )
    return record


def known_indicator(word: str) -> Indicator | None:
    """The catalogue's record for a name or an alias, or ``None``. Looks for no similar names, which takes long."""
    folded = fold(word.replace("-", "_"))
    return find(folded) if folded in _operand_names() and find_price(folded) is None else None


def find_named(word: str) -> tuple[Indicator, float | None, str | None]:
    """The record that ``word`` names, with the period and the output that some platforms attach to the name.

    ``rsi`` -> rsi, ``RSI-14``, ``rsi14`` and ``rsi(14)`` -> rsi with a period of 14, ``macd_histogram`` -> macd and
    ``histogram``.
    """
    return known_named(word) or (find_indicator(word), None, None)


def known_named(word: str) -> tuple[Indicator, float | None, str | None] | None:
    """What :func:`find_named` finds, or ``None``. Looks for no similar names, which takes long."""
    record = known_indicator(word)
    if record is not None:
        return record, None, None
    with_period = _WITH_PERIOD.fullmatch(word.strip())
    if with_period is not None:
        record = known_indicator(with_period["name"])
        if record is not None and any(parameter.name == "period" for parameter in record.parameters):
            return record, float(with_period["period"] or with_period["inside"]), None
    folded = fold(word.replace("-", "_"))
    for place in [place for place, character in enumerate(folded) if character == "_"]:
        record, output = known_indicator(folded[:place]), folded[place + 1 :]
        if record is not None and _OUTPUT_ALIASES.get(output, output) in [one.name for one in record.outputs]:
            return record, None, output
    return None


def find_parameter(record: Indicator, word: str) -> str:
    """The name of the parameter of ``record`` that ``word`` means; ``word`` in lower case if there is none."""
    names = [parameter.name for parameter in record.parameters]
    folded = word.lower()
    meant = () if folded in names else _PARAMETER_ALIASES.get(folded, ())
    return next((name for name in meant if name in names), folded)


def is_parameter(word: str) -> bool:
    """Whether ``word`` names a parameter of any indicator, or a source."""
    return word.lower() in _parameter_names()


def is_operand(word: str) -> bool:
    """Whether ``word`` names a price or an indicator."""
    return word.lower() in _operand_names()


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


def _neighbours(word: str) -> str:
    """`` (did you mean stoch, stochrsi or stdev?)``, or nothing where no name is similar."""
    near = get_close_matches(word.lower(), _operand_names(), n=6, cutoff=0.5)
    meant = [record.name if (record := known_indicator(name)) else find_price(name) or name for name in near]
    *others, last = list(dict.fromkeys(meant))[:_MOST_NEIGHBOURS] or [""]
    return f" (did you mean {', '.join(others)}{' or ' if others else ''}{last}?)" if last else ""


@cache
def _parameter_names() -> frozenset[str]:
    names = (parameter.name for record in catalogue().values() for parameter in record.parameters)
    return frozenset((*names, *_PARAMETER_ALIASES, "source"))


def _unknown_operator(word: str) -> ConditionError:
    if word.strip() in ("=", "==", "===", "!=", "<>"):
        return ConditionError(
            f"unknown operator {word!r}: values are hardly ever equal to the last digit; use crosses or between"
        )
    hint = did_you_mean(fold(word), [*COMPARISONS, *CHANNELS, *MOVES, *TRENDS])
    return ConditionError(f"unknown operator {word!r}{hint}; use one of {' '.join(ALL_OPERATORS)}")


@cache
def _operand_names() -> tuple[str, ...]:
    aliases = (alias for record in catalogue().values() for alias in record.aliases)
    return (*NAMES, *PRICES, *aliases, *_PRICE_ALIASES)

"""What is valid and probably not meant, by what is compared with what and by parameters in another platform's order.

volume > sma(20)          the average of the close: sma(20, volume) is that of the volume
rsi crosses_above sma(9)  sma(9, rsi(14)) is the average of the RSI
close > supertrend(3, 10) TradingView's order: supertrend(10, 3)
close > max(high, 20)     TA-Lib's MAX(high, 20) is highest(20, high)
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

from indicators.catalogue import catalogue, find
from registry.groups import Series
from registry.language.as_text.text import number_text, to_text
from registry.language.tree import (
    Arithmetic,
    Comparison,
    Function,
    IndicatorOutput,
    Node,
    Number,
    Operand,
    Price,
    comparisons,
    nested_source,
)

Unit = Literal["price", "volume", "share"]
"""What a value is measured in; a share goes from one bound to another, as an RSI does."""

_AVERAGES = frozenset({
    "sma", "ema", "wma", "dema", "tema", "hma", "rma", "vwma", "kama", "highest", "lowest", "linreg",
})  # fmt: skip
"""Indicators in the unit of their source."""
_LEVELS = frozenset({"vwap", "psar", "donchian", "ichimoku", "heikin_ashi"})
"""Indicators in the unit of the price."""
_AMOUNTS = frozenset({"obv", "ad"})
"""Indicators in the unit of the volume."""
_SWAPPED = {
    "supertrend": ("period", "multiplier"), "keltner": ("period", "multiplier"), "bbands": ("period", "stddev"),
    "stochrsi": ("k", "smooth"),
}  # fmt: skip
"""Indicator -> two parameters of which the second is the smaller one wherever they are as they were meant."""
_MOST_OPERANDS = 4_096
"""Of which it is remembered whether they are misread: those of conditions that differ only in a number are the same."""
_EXTREMES = {"max": ("larger", "highest"), "min": ("smaller", "lowest")}


def suspicions(tree: Node, base: Series) -> tuple[str, ...]:
    """One sentence for each part of a canonical tree that was probably meant otherwise; the condition is valid."""
    told: list[str] = []
    for part in comparisons(tree):
        told += _misread(part.left, base)
        if not isinstance(part.right, Number):
            told += _units(part, base)
            told += _misread(part.right, base)
    return tuple(dict.fromkeys(told)) if told else ()


def _misread(operand: Operand, base: Series) -> Sequence[str]:
    if isinstance(operand, IndicatorOutput) and (operand.source is None or isinstance(operand.source, str)):
        return _misread_alone(operand, base)
    return [sentence for inner in _within(operand) for sentence in _misreadings(inner, base)]


@lru_cache(_MOST_OPERANDS)
def _misread_alone(operand: IndicatorOutput, base: Series) -> tuple[str, ...]:
    return tuple(_misreadings(operand, base))


def _within(operand: Operand) -> Iterator[Operand]:
    """The operand, and what it is computed from."""
    yield operand
    match operand:
        case Arithmetic(_, left, right):
            inside: tuple[Operand, ...] = (left, right)
        case Function(_, operands):
            inside = operands
        case IndicatorOutput() if (source := nested_source(operand)) is not None:
            inside = (source,)
        case _:
            inside = ()
    for part in inside:
        yield from _within(part)


def _units(part: Comparison, base: Series) -> Iterator[str]:
    left, right = _unit(part.left), _unit(part.right)
    if left is None or right is None or left == right:
        return
    for own, other, unit in ((part.left, part.right, left), (part.right, part.left, right)):
        average = _average(other)
        if average is None or average.source != "close" or unit == "price":
            continue
        name = to_text(own, base, short=True)
        sentence = f"{to_text(part, base, short=True)} compares {name} with an average of the close"
        if isinstance(own, Price) or (isinstance(own, IndicatorOutput) and find(own.indicator).has_source):
            sentence += f"; its own average is {average.indicator}({_numbers(average)}, {name})"
        yield sentence


def _average(operand: Operand) -> IndicatorOutput | None:
    """The only average in an operand, perhaps times a number."""
    match operand:
        case IndicatorOutput() if operand.indicator in _AVERAGES:
            return operand
        case Arithmetic("*" | "/", left, Number()):
            return _average(left)
        case _:
            return None


def _numbers(average: IndicatorOutput) -> str:
    return ", ".join(number_text(value) for _, value in average.parameters)


def _unit(operand: Operand) -> Unit | None:
    """What an operand is measured in; ``None`` for numbers, ratios and what else it could be."""
    match operand:
        case Price():
            return "volume" if operand.field == "volume" else "price"
        case IndicatorOutput():
            return _unit_of_indicator(operand)
        case Arithmetic("*" | "/", left, Number()):
            return _unit(left)
        case _:
            return None


def _unit_of_indicator(variable: IndicatorOutput) -> Unit | None:
    output = catalogue()[variable.indicator].output(variable.output)
    if variable.indicator in _AVERAGES:
        if isinstance(variable.source, str):
            return "volume" if variable.source == "volume" else "price"
        source = nested_source(variable)
        return None if source is None else _unit(source)
    if variable.indicator in _LEVELS:
        return "price"
    if variable.indicator in _AMOUNTS:
        return "volume"
    return "share" if output.low is not None and output.high is not None else None


def _misreadings(operand: Operand, base: Series) -> Iterator[str]:
    match operand:
        case IndicatorOutput() if operand.indicator in _SWAPPED:
            values = dict(operand.parameters)
            length, smaller = _SWAPPED[operand.indicator]
            if values[smaller] > values[length]:
                yield (
                    f"{operand.indicator}({_numbers(operand)}) has a {length} of {number_text(values[length])} and a"
                    f" {smaller} of {number_text(values[smaller])}; the order is"
                    f" {operand.indicator}({', '.join(values)})"
                )
        case Function(name, (Price(_, field, 0), Number(value))) if name in _EXTREMES:
            word, indicator = _EXTREMES[name]
            (period,) = find(indicator).parameters
            if value % 1 == 0 and period.low <= value <= period.high:
                shown = number_text(value)
                yield (
                    f"{to_text(operand, base, short=True)} is the {word} of {field} and {shown}; the {indicator}"
                    f" {field} of {shown} candles is {indicator}({shown}, {field})"
                )

"""``abs``, ``min`` and ``max`` of operands, as they are written.

``min`` and ``max`` were once aliases of the indicators ``lowest`` and ``highest``. Whoever writes them that way is told
so: ``max(20, high)`` would otherwise be a condition that looks right and is another one.
"""

from typing import get_args

from common.errors import ConditionError
from indicators.catalogue import find
from registry.language.tree import Function, FunctionName, Number, Operand, Price

FUNCTIONS: tuple[FunctionName, ...] = get_args(FunctionName)
_OVER_CANDLES = {"min": ("smaller", "lowest"), "max": ("larger", "highest")}


def check_function(name: FunctionName, operands: tuple[Operand, ...]) -> Function:
    """The function of these operands. Raises :class:`ConditionError` for a wrong number of them, and for a number of
    candles with nothing, or only a price, behind it."""
    if name in _OVER_CANDLES:
        word, indicator = _OVER_CANDLES[name]
        match operands:
            case (Number(value),) if _is_period(indicator, value):
                raise ConditionError(
                    f"{name} takes two or more operands; for the {indicator} close of {value:g} candles write"
                    f" {indicator}({value:g})"
                )
            case (Number(value), Price(_, field)) if _is_period(indicator, value):
                raise ConditionError(
                    f"{name}({value:g}, {field}) is the {word} of the two on one candle; for the {indicator} {field} of"
                    f" {value:g} candles write {indicator}({value:g}, {field}), for the {word} of the two"
                    f" {name}({field}, {value:g})"
                )
    return Function(name, operands)


def no_parameters(name: FunctionName, word: str) -> str:
    """The message about ``word=...`` among the operands of a function."""
    if name not in _OVER_CANDLES:
        return f"{name} takes one operand and no {word}; write {name}(close - open)"
    _, indicator = _OVER_CANDLES[name]
    return (
        f"{name} takes operands such as {name}(open, close) and no {word}; over several candles it is {indicator}, such"
        f" as {indicator}(period=20, source=close)"
    )


def is_function(word: str) -> bool:
    """Whether a word names a function."""
    return word.lower() in FUNCTIONS


def not_alone(word: str) -> str:
    """The message about the name of a function without operands."""
    name = word.lower()
    if name not in _OVER_CANDLES:
        return f"{name} is a function of an operand; write {name}(close - open)"
    _, indicator = _OVER_CANDLES[name]
    return (
        f"{name} is a function of several operands, such as {name}(open, close); over several candles it is"
        f" {indicator}, such as {indicator}(20)"
    )


def _is_period(indicator: str, value: float) -> bool:
    (period,) = find(indicator).parameters
    return value % 1 == 0 and period.low <= value <= period.high

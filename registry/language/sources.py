"""What an indicator may be computed from: a price, or another operand of the same series.

    sma(20, volume)   rsi(14, hlc3)   sma(20, high - low)   ema(9, rsi(14))   bbands(20, 2, rsi(14)).lower

The outer indicator sees the values of the inner one from its first value on, candle by candle. A source has no place of
its own: ``ema(9, rsi)[1]@4h`` is the whole computation on 4h candles, one step back.
"""

from collections.abc import Iterator

from common.errors import ConditionError
from indicators.catalogue import Indicator, catalogue
from registry.groups import Series
from registry.language.arithmetic import folded
from registry.language.limits import MOST_NESTED
from registry.language.tree import IndicatorOutput, Number, Operand, Price, nested_source, variables


def source_of(record: Indicator, operand: Operand | None, series: Series) -> str | Operand | None:
    """The ``source`` of an indicator on ``series``, the record's own if none is named; ``None`` if it has no choice.

    Raises :class:`ConditionError` for an operand that is no source of it.
    """
    if not record.has_source:
        if operand is not None:
            raise ConditionError(
                f"{record.name} is always computed from {' '.join(record.inputs)}, so it takes no source; leave it out,"
                f" or use one of {' '.join(_with_source())}"
            )
        return None
    if operand is None:
        return record.default_source
    if isinstance(folded(operand), Number):
        raise ConditionError(
            f"{record.name} cannot be computed from a number, which never changes; use a price or an indicator as the"
            " source"
        )
    for variable in variables(operand):
        _check_variable(record, variable, series)
    if isinstance(operand, Price):
        return operand.field
    levels = 1 + _levels(operand)
    if levels > MOST_NESTED:
        raise ConditionError(
            f"{record.name} and its source are {levels} levels deep; at most {MOST_NESTED} are allowed, where each"
            " indicator is a level, and so is arithmetic"
        )
    return operand


def _check_variable(record: Indicator, variable: Price | IndicatorOutput, series: Series) -> None:
    if variable.offset:
        raise ConditionError(f"a source has no steps back: write [{variable.offset}] after all of {record.name}(...)")
    if variable.series != series:
        raise ConditionError(
            f"a source is read from the series of its indicator, which is {series}, not from {variable.series}: write @"
            f" after all of {record.name}(...)"
        )
    if isinstance(variable, IndicatorOutput) and variable.source is None:
        inner = catalogue()[variable.indicator]
        dot = f".{variable.output}" if len(inner.outputs) > 1 else ""
        numbers = ", ".join(f"{value:g}" for _, value in variable.parameters)
        call = f"{inner.name}({numbers}){dot}" if numbers else inner.name + dot
        raise ConditionError(
            f"{inner.name} cannot be a source, as it is always computed from {' '.join(inner.inputs)}; compare it with"
            f" its own past, as in {call} > {call}[20], or use a price, arithmetic, or an output of one of"
            f" {' '.join(_with_source())} as the source"
        )


def _levels(operand: Operand) -> int:
    """How many levels of indicators and of arithmetic an operand has; a price has none.

    Arithmetic is one level, however many operations it has.
    """
    if isinstance(operand, Price | Number):
        return 0
    if isinstance(operand, IndicatorOutput):
        source = nested_source(operand)
        return 1 if source is None else 1 + _levels(source)
    return 1 + max((_levels(variable) for variable in variables(operand)), default=0)


def _with_source() -> Iterator[str]:
    return (name for name, record in catalogue().items() if record.has_source)

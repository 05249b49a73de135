"""What can be done with an operand without candles: constants folded, steps back added."""

from dataclasses import replace

from common.errors import ConditionError
from registry.language.tree import (
    Arithmetic,
    ArithmeticOperator,
    Function,
    FunctionName,
    IndicatorOutput,
    Number,
    Operand,
    Price,
    nested_source,
)

_ZERO = Number(0.0)


def folded(operand: Operand) -> Operand:
    """``operand`` with every operation on nothing but constants replaced by its float64 value, in sources too.

    Nothing is reassociated.

    Raises :class:`ConditionError` for a division by the constant 0, which is always UNKNOWN, and for a value beyond
    1e15.
    """
    if isinstance(operand, IndicatorOutput):
        source = nested_source(operand)
        return operand if source is None else replace(operand, source=folded(source))
    if isinstance(operand, Function):
        parts = tuple(folded(part) for part in operand.operands)
        values = [part.value for part in parts if isinstance(part, Number)]
        return Function(operand.name, parts) if len(values) < len(parts) else Number(_apply(operand.name, values) + 0.0)
    if not isinstance(operand, Arithmetic):
        # -0 is 0.
        return _ZERO if operand == _ZERO else operand
    left, right = folded(operand.left), folded(operand.right)
    if operand.operator == "/" and right == _ZERO:
        raise ConditionError("division by zero: the condition would be UNKNOWN on every candle")
    if isinstance(left, Number) and isinstance(right, Number):
        # Adding zero turns -0 into 0.
        return Number(_calculate(operand.operator, left.value, right.value) + 0.0)
    return Arithmetic(operand.operator, left, right)


def shifted(operand: Operand, steps: int) -> Operand:
    """``operand`` as it was ``steps`` earlier: each variable steps back on its own series, constants never change."""
    match operand:
        case Number():
            return operand
        case Price() | IndicatorOutput():
            return replace(operand, offset=operand.offset + steps)
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, shifted(left, steps), shifted(right, steps))
        case Function(name, operands):
            return Function(name, tuple(shifted(part, steps) for part in operands))


def _calculate(operator: ArithmeticOperator, left: float, right: float) -> float:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right


def _apply(name: FunctionName, values: list[float]) -> float:
    match name:
        case "abs":
            return abs(values[0])
        case "min":
            return min(values)
        case "max":
            return max(values)

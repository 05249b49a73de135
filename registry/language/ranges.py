"""Comparisons that no candle decides: with a number beyond what an indicator can be.

rsi(14) < 300 is always TRUE: rsi goes from 0 to 100
"""

from math import inf

from indicators.catalogue import Output, catalogue
from registry.groups import Series
from registry.language.as_text.text import number_text, to_text
from registry.language.tree import Comparison, IndicatorOutput, Node, Number, comparisons, nested_source


def range_warnings(tree: Node, base: Series) -> tuple[str, ...]:
    """One sentence for each comparison of a canonical tree whose truth, where it is known, is the same on every candle.

    Such a condition is valid, but probably not what was meant: a state that is always TRUE never becomes TRUE, and so
    never fires.
    """
    # Nearly all conditions are one comparison that is in order.
    parts = (tree,) if isinstance(tree, Comparison) else comparisons(tree)
    told = [warning for part in parts if (warning := _warning(part, base)) is not None]
    return tuple(dict.fromkeys(told)) if told else ()


def _warning(part: Comparison, base: Series) -> str | None:
    variable, constant = part.left, part.right
    if not isinstance(variable, IndicatorOutput) or not isinstance(constant, Number):
        return None
    record = catalogue()[variable.indicator]
    output = record.output(variable.output)
    truth = _truth(part.operator, -inf if output.low is None else output.low, _top(output), constant.value)
    if truth is None:
        return None
    if nested_source(variable) is not None and None in (output.low, output.high):
        # A share of prices has their sign, but what is not a price may be negative.
        return None
    name = record.name if len(record.outputs) == 1 else f"{record.name}.{output.name}"
    comparison = to_text(part, base, short=True)
    return f"{comparison} is {'always' if truth else 'never'} TRUE: {name} {_range(output)}"


def _truth(operator: str, low: float, high: float, number: float) -> bool | None:
    """What a comparison of a value from ``low`` to ``high`` with a number always is; ``None`` if that depends."""
    match operator:
        case "<":
            always, never = high < number, low >= number
        case "<=":
            always, never = high <= number, low > number
        case ">":
            always, never = low > number, high <= number
        case ">=":
            always, never = low >= number, high < number
        case "crosses_above":
            always, never = False, high <= number or low > number
        case _:
            always, never = False, low >= number or high < number
    return True if always else False if never else None


def _top(output: Output) -> float:
    return inf if output.high is None else output.high


def _range(output: Output) -> str:
    if output.low is not None and output.high is not None:
        return f"goes from {number_text(output.low)} to {number_text(output.high)}"
    if output.low is not None:
        return f"is never below {number_text(output.low)}"
    return f"is never above {number_text(_top(output))}"

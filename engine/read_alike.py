"""What a plan has to know of a condition, found out once for all conditions that read the same.

In a large hub most conditions differ from others in nothing but the number that they compare with.
"""

from dataclasses import dataclass

from engine.program import children
from registry.conditions import Condition
from registry.groups import Series
from registry.language.time_windows import During
from registry.language.tree import (
    CROSSINGS,
    Before,
    Comparison,
    For,
    IndicatorOutput,
    Node,
    Number,
    Operand,
    Variable,
    Within,
    operands,
    readings,
    variables,
    windows,
)

_NEVER = (1 << 63) - 1
"""More candles than any series has: of indicators of which it is not known when they have settled."""

IndicatorNode = tuple[str, tuple[tuple[str, float], ...], str | Operand | None, Series]
"""One computation: indicator, parameters, source, series."""


@dataclass(eq=False, slots=True)
class ReadAlike:
    """What all conditions of one base series read that have the same operands, constants aside."""

    base: Series
    sides: tuple[Operand, ...]
    """The operands that they compare, constants aside, from left to right, including repetitions."""
    variables: tuple[Variable, ...]
    windows: tuple[During, ...]
    settled_after: tuple[tuple[Series, int], ...]
    """(series, candles of it after which their indicators have settled)."""
    indicators: int
    """The number of distinct indicators that they need."""
    memory: int


def read_alike(conditions: list[Condition]) -> list[ReadAlike]:
    """For each condition what it reads; the same object for those that read alike."""
    known: dict[tuple[object, ...], ReadAlike] = {}
    answers = []
    for condition in conditions:
        tree = condition.tree
        key: tuple[object, ...]
        # By identity, as operands that are equal are mostly the same object, and comparing them takes longer.
        if isinstance(tree, Comparison):
            right = 0 if isinstance(tree.right, Number) else id(tree.right)
            key = (condition.series, id(tree.left), right, tree.operator in CROSSINGS)
        else:
            key = (id(tree), condition.series)
        alike = known.get(key)
        if alike is None:
            alike = known[key] = _read(condition)
        answers.append(alike)
    return answers


def _read(condition: Condition) -> ReadAlike:
    tree = condition.tree
    settled = [(series, needed.settled_after) for series, needed in condition.needed.items()]
    return ReadAlike(
        condition.series,
        tuple(operand for operand in operands(tree) if not isinstance(operand, Number)),
        tuple(variables(tree)),
        tuple(windows(tree)),
        tuple((series, _NEVER if after is None else after) for series, after in settled),
        len(indicator_nodes(condition)),
        memory(tree),
    )


def indicator_nodes(condition: Condition) -> set[IndicatorNode]:
    """The distinct indicators that a condition needs, those in sources included; several outputs of one indicator are
    one computation."""
    return {
        (variable.indicator, variable.parameters, variable.source, variable.series)
        for variable in readings(condition.tree)
        if isinstance(variable, IndicatorOutput)
    }


def memory(node: Node) -> int:
    """How many steps before the present one a truth depends on, apart from offsets of operands."""
    below = max((memory(child) for child in children(node)), default=0)
    match node:
        case For(_, bars) | Within(_, bars):
            return below + bars - 1
        case Before():
            return below + 1
        case _:
            return below

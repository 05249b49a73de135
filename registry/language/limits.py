"""How large a condition may be: whatever is sent is bounded before anything is built from it."""

from dataclasses import dataclass

from common.errors import ConditionError

MOST_BARS = 500
"""Largest N of ``for N bars``, ``within N bars`` and ``rising N bars``."""
MOST_UNFOLDED = 10_000
"""Numbers, prices and indicators of the canonical tree: ``rises_by`` within N candles needs N comparisons."""

MOST_NESTED = 3
"""Levels of an indicator whose source is another one: each indicator is a level, and so is arithmetic between two."""


LEVELS_OF_THEN = 3
"""Levels between ``A then B`` and A: the ``all``, ``within`` and ``before`` that it reduces to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a condition may be."""

    characters: int
    levels: int
    """Nested all, any, not, k of, for, within and before; the comparison counts as one, ``then`` as three for what
    comes first."""
    leaves: int
    """Comparisons and time windows."""
    operands: int
    """Numbers, prices and indicators of one comparison, those in sources included."""
    steps: int
    """Largest k of ``[k]``."""
    parentheses: int
    """Nested in a text."""
    tokens: int
    """Words, numbers and signs of a text."""


TYPED = Limits(characters=4096, levels=8, leaves=32, operands=32, steps=500, parentheses=64, tokens=1024)
"""What people and bots may send."""
STORED = Limits(
    characters=1_000_000, levels=12, leaves=10_000, operands=128, steps=1000, parentheses=80, tokens=1_000_000
)
"""What a canonical text may contain: the above, reduced to what is judged.

No condition within ``TYPED`` and ``MOST_UNFOLDED`` reduces to more, its characters aside: those are counted once it has
been written. ``enters`` and ``rises_by`` add at most three levels and ``every`` one, a percentage triples the operands
of a value, and steps back add up to 500 and 500.
"""


def check_bars(bars: float) -> int:
    """``bars`` as a number of candles to look back."""
    if bars % 1 != 0:
        raise ConditionError(f"the number of bars must be whole, got {bars:g}")
    if not 1 <= bars <= MOST_BARS:
        raise ConditionError(f"bars must be between 1 and {MOST_BARS}, got {bars:g}")
    return int(bars)


def check_count(count: float, children: int) -> int:
    """``count`` as the k of ``k of (...)`` with that many children."""
    if count % 1 != 0 or not 1 <= count <= children:
        raise ConditionError(f"k of ({children} conditions) needs a whole k from 1 to {children}, got {count:g}")
    return int(count)


def too_deep(limits: Limits) -> str:
    """The message about a tree with too many levels."""
    return (
        f"all, any, not, for, within, before and then are nested too deeply; at most {limits.levels} levels are"
        f" allowed, comparison included, where then counts as {LEVELS_OF_THEN} for what comes first"
    )


def too_many_operands(limits: Limits) -> str:
    """The message about a comparison with too many operands."""
    return f"too many numbers, prices and indicators; a comparison has at most {limits.operands}"


def too_many(limits: Limits) -> str:
    """The message about a tree with too many leaves."""
    return f"too many comparisons; at most {limits.leaves} are allowed in one condition"

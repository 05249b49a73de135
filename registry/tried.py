"""How many different conditions were tried on the past of a series, without keeping which.

The ids of conditions are hashes, so their first digits are evenly spread numbers. Of all that were tried the smallest
few are kept: while there are fewer than :data:`MOST`, their number is the answer; beyond that, how close together they
lie says how many there are (Bar-Yossef and others, "Counting Distinct Elements in a Data Stream", RANDOM 2002), with a
standard error of 6 %. Two such sets are joined by the smallest few of both, and a condition that is tried again changes
nothing.
"""

from collections.abc import Iterable

MOST = 256
"""Digests that are kept of a series."""
_DIGITS = 15
_RANGE: int = 16**_DIGITS
"""Digests are below this, and fit into a signed number of 64 bits."""


def digest_of(condition_id: str) -> int:
    """The number that stands for a condition."""
    return int(condition_id[:_DIGITS], 16)


def smallest(digests: Iterable[int]) -> list[int]:
    """The digests to keep, in order."""
    return sorted(set(digests))[:MOST]


def count_of(digests: list[int]) -> int:
    """How many conditions stand behind the kept digests, as :func:`smallest` gives them."""
    if len(digests) < MOST:
        return len(digests)
    return round((MOST - 1) * _RANGE / (digests[-1] + 1))

"""How far a condition is from being TRUE, as one number: for sorting and for a column of a table."""

from collections.abc import Sequence

from condition_hub.explanation import Explained
from registry.language.surface import SurfaceNode, children_of
from registry.language.tree import All


def distance_to_truth(explained: Explained, written: SurfaceNode) -> float | None:
    """The relative distance that a condition lacks to be TRUE, 0 where it is; ``None`` where that is not known.

    A comparison lacks the difference of its sides as a share of the right side's size: 0.4 if an RSI of 42 is to fall
    below 30. What needs all of its parts lacks what the farthest one lacks, everything else what the nearest one does.
    ``written`` is the tree that was explained.
    """
    if explained.truth == "TRUE":
        return 0.0
    own = [abs(each.relative) for each in explained.distances if each.relative is not None]
    parts = [
        distance_to_truth(child, node) for child, node in zip(explained.children, children_of(written), strict=True)
    ]
    return _combined([*own, *(part for part in parts if part is not None)], needs_all=isinstance(written, All))


def _combined(distances: Sequence[float], *, needs_all: bool) -> float | None:
    if not distances:
        return None
    return max(distances) if needs_all else min(distances)

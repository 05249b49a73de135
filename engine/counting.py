"""What the work on one slot was, and what it would have been without sharing."""

import numpy as np
from numpy.typing import NDArray

from engine.part import Moved
from engine.plan import Plan

COUNTS = (
    "subscriptions",
    "conditions",
    "indicators",
    "isolated_indicators",
    "isolated_loads",
    "equal_sharing_indicators",
    "equal_sharing_loads",
)
"""Names of what :func:`count_move` counts: fields of :class:`registry.store.parts.ticks.TickMetrics`."""


def count_move(plan: Plan, subscribers: NDArray[np.int64], moved: Moved) -> dict[str, int]:
    """What was done on one slot, and what isolated bots would have done for the same verdicts.

    ``subscribers`` int64[conditions] of the plan. A base series without a candle is judged as missing, but neither
    loads nor computes anything.
    """
    judged = moved.judged[plan.base]
    loaded = judged & moved.loaded[plan.base]
    wanted = loaded & (subscribers > 0)
    return {
        "subscriptions": int(subscribers[judged].sum()),
        "conditions": int(judged.sum()),
        "indicators": int(plan.lanes[moved.loaded].sum()),
        "isolated_indicators": int((subscribers * plan.indicator_counts)[loaded].sum()),
        "isolated_loads": int((subscribers * plan.series_counts)[loaded].sum()),
        "equal_sharing_indicators": int(plan.indicator_counts[wanted].sum()),
        "equal_sharing_loads": int(plan.series_counts[wanted].sum()),
    }

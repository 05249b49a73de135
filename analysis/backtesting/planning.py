"""Plans of conditions that are judged on one instrument after the other.

A sweep over symbols judges the same conditions on each, and a fifth of its time would go into planning them anew. So a
plan is kept, by what its conditions say of whatever instrument they are on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from engine.plan import Plan, make_plan
from registry.conditions import Condition
from registry.instruments import Instrument
from registry.other_instruments import what_is_judged

_MOST_CONDITIONS = 20_000
"""Conditions of all plans that are kept together."""

_Key = tuple[tuple[str, str], ...]
"""Of each condition, what it says without its instrument, and the versions of the definitions that it means."""


@dataclass(frozen=True)
class ListedPlan:
    """A plan for a list of conditions of one series."""

    plan: Plan
    order: NDArray[np.int64]
    """Where each condition of the plan stands in the list."""

    @classmethod
    def of(cls, conditions: Sequence[Condition]) -> "ListedPlan":
        """One that is made for these conditions."""
        plan = make_plan(conditions)
        place = {condition: number for number, condition in enumerate(conditions)}
        return cls(plan, np.array([place[condition] for condition in plan.conditions], np.int64))


class _Plans:
    """The plans that were asked for last, for any number of threads."""

    def __init__(self) -> None:
        self._kept: LRUCache[_Key, ListedPlan] = LRUCache(_MOST_CONDITIONS, lambda listed: listed.order.size)
        self._lock = Lock()

    def of(self, key: _Key, conditions: Sequence[Condition]) -> ListedPlan:
        # The lock is kept meanwhile: planning is Python alone, and another thread most likely wants the same plan.
        with self._lock:
            listed = self._kept.get(key)
            if listed is None:
                listed = ListedPlan.of(conditions)
                if listed.order.size <= _MOST_CONDITIONS:
                    self._kept[key] = listed
            return listed


_PLANS = _Plans()


def plan_of(conditions: Sequence[Condition]) -> tuple[ListedPlan, Instrument | None]:
    """A plan for different conditions of one series, and the instrument to judge it on if it was made for another one.

    Conditions that read other instruments than their own have plans of their own."""
    instrument = conditions[0].series.instrument
    if any(len(condition.instruments) > 1 for condition in conditions):
        return ListedPlan.of(conditions), None
    key = tuple(
        (f"{condition.timeframe}: {what_is_judged(condition.canonical, condition.series)}",
         condition.definition_versions)
        for condition in conditions
    )  # fmt: skip
    listed = _PLANS.of(key, conditions)
    made_for = listed.plan.conditions[0].series.instrument
    return listed, None if made_for == instrument else instrument

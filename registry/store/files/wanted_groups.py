"""Which groups have conditions to be judged, and from when on, without looking at every condition each time."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from registry.activity import ActiveSpan, wanted_from
from registry.groups import Group, Series
from registry.store.files.condition_search import drained
from registry.store.parts.condition_pages import WantedGroup
from registry.store.parts.registry import StoredCondition, Unjudged


@dataclass
class _Wants:
    """What the conditions of a group want, as far as it does not depend on how far the group has been judged."""

    open: int = 0
    """Conditions that have been judged from one time on, and are to be without an end: nearly all of them."""
    open_from_ms: int = 0
    """The earliest of these times."""
    others: list[tuple[str, tuple[ActiveSpan, ...]]] = field(default_factory=list)
    answered: WantedGroup | None = None
    """The last answer, if it depends on the watermark alone."""


class ConditionsPerSeries:
    """Looks at conditions once: at those that are new when somebody asks."""

    def __init__(self, conditions: Mapping[str, StoredCondition]) -> None:
        """``conditions`` only grows."""
        self._conditions = conditions
        self._members: dict[Series, list[str]] = {}
        self._known = 0
        self._lock = threading.Lock()

    def counts(self) -> dict[Series, int]:
        """Series -> how many conditions are judged on its candles."""
        with self._lock:
            self._follow()
            return {series: len(members) for series, members in self._members.items()}

    def on(self, series: Series) -> list[StoredCondition]:
        """The conditions that are judged on the candles of a series, in the order in which they were registered."""
        with self._lock:
            self._follow()
            return [self._conditions[condition_id] for condition_id in self._members.get(series, ())]

    def _follow(self) -> None:
        if len(self._conditions) > self._known:
            # Copied in one go: another thread may add conditions meanwhile.
            for stored in islice(list(self._conditions.values()), self._known, None):
                self._members.setdefault(stored.group.base, []).append(stored.condition_id)
                self._known += 1


class WantedGroups:
    """Follows the activity of conditions: a group is looked at again when that of one of its conditions has changed."""

    def __init__(
        self,
        conditions: Mapping[str, StoredCondition],
        spans: Callable[[str], tuple[ActiveSpan, ...]],
        changed: set[str],
        watermark: Callable[[Group], int | None],
        unjudged: Callable[[], Mapping[str, Unjudged]],
    ) -> None:
        """``conditions`` only grows; to ``changed`` each condition is added whose spans change."""
        self._conditions = conditions
        self._spans, self._changed, self._watermark, self._unjudged = spans, changed, watermark, unjudged
        self._members: dict[Group, list[str]] = {}
        self._known = 0
        self._wants: dict[Group, _Wants] = {}
        self._lock = threading.Lock()

    def all(self) -> list[WantedGroup]:
        """The groups with conditions that are to be judged, in the order of their first conditions."""
        unjudged = self._unjudged()
        with self._lock:
            self._follow()
            wanted = (self._wanted(group, self._wants[group], unjudged) for group in self._members)
            return [each for each in wanted if each is not None]

    def _follow(self) -> None:
        # First the changes: a condition that is added meanwhile brings its own.
        changed = {
            stored.group for name in drained(self._changed) if (stored := self._conditions.get(name)) is not None
        }
        if len(self._conditions) > self._known:
            # Copied in one go: another thread may add conditions meanwhile.
            for stored in islice(list(self._conditions.values()), self._known, None):
                self._members.setdefault(stored.group, []).append(stored.condition_id)
                changed.add(stored.group)
                self._known += 1
        for group in changed:
            self._wants[group] = self._summarised(self._members[group])

    def _summarised(self, members: list[str]) -> _Wants:
        wants = _Wants()
        for condition_id in members:
            spans = self._spans(condition_id)
            if len(spans) == 1 and spans[0].until_ms is None:
                from_ms_ = spans[0].from_ms
                wants.open_from_ms = min(wants.open_from_ms, from_ms_) if wants.open else from_ms_
                wants.open += 1
            else:
                wants.others.append((condition_id, spans))
        return wants

    def _wanted(self, group: Group, wants: _Wants, unjudged: Mapping[str, Unjudged]) -> WantedGroup | None:
        judged_ms = self._watermark(group)
        if wants.answered is not None and wants.answered.judged_until_ms == judged_ms:
            return wants.answered
        starts = [max(wants.open_from_ms, judged_ms or wants.open_from_ms)] if wants.open else []
        if wants.others:
            starts_of = ((name, spans, wanted_from(spans, judged_ms)) for name, spans in wants.others)
            still = [(name, spans, start) for name, spans, start in starts_of if start is not None]
            # Watermarks only grow: what is over stays over.
            wants.others = [(name, spans) for name, spans, _ in still]
            starts += [start for name, _, start in still if name not in unjudged]
        if not starts:
            return None
        conditions = wants.open + len(starts) - (wants.open > 0)
        wanted = WantedGroup(group, min(starts), judged_ms, conditions)
        if not wants.others:
            wants.answered = wanted
        return wanted

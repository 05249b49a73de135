"""When conditions stop being judged: how many of a plan's have expired, without looking at all of them."""

import heapq
from collections.abc import Mapping, Sequence

from registry.activity import ActiveSpan, wanted_from
from registry.groups import Group


class Endings:
    """The conditions of a state, and which of them are judged only until a time."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        """Condition id -> its group."""
        self._coming: list[tuple[int, str]] = []
        """A heap of (end, condition id); an end that has moved is left in it."""
        self._reached: set[str] = set()
        """Conditions whose group has been judged up to an end of theirs."""

    def note(self, condition_id: str, group: Group, spans: Sequence[ActiveSpan]) -> None:
        """Take in a condition, or another last span of it."""
        self.groups[condition_id] = group
        self._reached.discard(condition_id)
        until_ms = spans[-1].until_ms
        if until_ms is not None:
            heapq.heappush(self._coming, (until_ms, condition_id))

    def forget(self, condition_id: str) -> None:
        """Leave a condition out."""
        self.groups.pop(condition_id, None)
        self._reached.discard(condition_id)

    def expired(self, activity: Mapping[str, Sequence[ActiveSpan]], judged: Mapping[Group, int | None]) -> int:
        """How many conditions are judged no longer, where their groups have been judged up to these times."""
        newest = max((mark for mark in judged.values() if mark is not None), default=0)
        while self._coming and self._coming[0][0] <= newest:
            until_ms, condition_id = heapq.heappop(self._coming)
            if condition_id in self.groups and activity[condition_id][-1].until_ms == until_ms:
                self._reached.add(condition_id)
        return sum(wanted_from(activity[each], judged[self.groups[each]]) is None for each in self._reached)

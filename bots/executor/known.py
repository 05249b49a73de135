"""Up to when all triggers of a condition are in the inbox.

A candle is shown to a bot after everything that fired before its close, as in a simulation. So it has to be known that
nothing more comes: the condition has been judged on all candles that close earlier, and the consumer has applied what
was recorded until then.

Nobody waits for ever. What a bot waits for and does not move for a while is taken for known until it moves again: its
triggers then come late, and are acted on when they come.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from candles.calendars import stored_calendars
from registry.groups import Group
from registry.store.protocol import Store

ALWAYS_MS = 1 << 62


@dataclass
class _Watched:
    """A condition; before its first tick, its watermark is where it begins to be judged."""

    group: Group
    watermark_ms: int
    known_ms: int
    since_s: float = 0.0
    """When its watermark moved last, or somebody began to wait for it."""
    is_waited_for: bool = False


class KnownTriggers:
    """For one loop. ``applied`` says up to which ``seq`` triggers are in the inbox; ``patience_s`` is how long what
    somebody waits for may stand still."""

    def __init__(
        self, store: Store, applied: Callable[[], int], monotonic: Callable[[], float], patience_s: float
    ) -> None:
        self._store = store
        self._applied = applied
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._conditions: dict[str, _Watched] = {}
        self._calendars = stored_calendars(store)
        self._moved: tuple[int, float] = (-1, monotonic())
        """What the consumer has applied, and since when that is so."""
        self._is_complete = False

    def watch(self, condition_ids: Iterable[str]) -> None:
        """Look after conditions from now on."""
        fresh = [condition_id for condition_id in condition_ids if condition_id not in self._conditions]
        if not fresh:
            return
        # A new instrument may have a calendar or a grid of its own.
        self._calendars = stored_calendars(self._store)
        for condition_id in fresh:
            stored = self._store.registry.condition(condition_id)
            if stored is not None:
                begins_ms = stored.active_from_ms
                self._conditions[condition_id] = _Watched(stored.group, begins_ms, self._until(stored.group, begins_ms))

    def refresh(self) -> bool:
        """Look at the watermarks, and then at whether the triggers up to them are in the inbox. Returns whether more is
        known."""
        marks = {
            timeframe: self._store.ticks.watermarks(timeframe)
            for timeframe in {one.group.base.timeframe for one in self._conditions.values()}
        }
        # In this order: the triggers up to these watermarks are recorded by then.
        last_seq, applied = self._store.triggers.last_seq(), self._applied()
        self._is_complete = applied >= last_seq
        if self._is_complete or applied != self._moved[0]:
            self._moved = applied, self._monotonic()
        if not self._is_complete:
            return False
        has_moved = False
        for one in self._conditions.values():
            mark = marks[one.group.base.timeframe].get(one.group)
            if mark is not None and mark > one.watermark_ms:
                one.watermark_ms, one.known_ms = mark, self._until(one.group, mark)
                one.since_s, one.is_waited_for = self._monotonic(), False
                has_moved = True
        return has_moved

    def until(self, condition_ids: Iterable[str]) -> int:
        """The time up to which all triggers of some conditions are known."""
        if not self._is_complete and self._monotonic() - self._moved[1] >= self._patience_s:
            return ALWAYS_MS
        least = ALWAYS_MS
        for condition_id in condition_ids:
            one = self._conditions.get(condition_id)
            if one is not None and one.known_ms < least and not self._stands_still(one):
                least = one.known_ms
        return least

    def wait_for(self, condition_ids: Iterable[str], time_ms: int) -> None:
        """Note that somebody waits for conditions to be known until a time."""
        for condition_id in condition_ids:
            one = self._conditions.get(condition_id)
            if one is not None and one.known_ms < time_ms and not one.is_waited_for:
                one.is_waited_for, one.since_s = True, self._monotonic()

    def _stands_still(self, one: _Watched) -> bool:
        return one.is_waited_for and self._monotonic() - one.since_s >= self._patience_s

    def _until(self, group: Group, mark_ms: int) -> int:
        """Just before the next close on which there may be a trigger."""
        return self._calendars.of(group.base).next_close(mark_ms) - 1

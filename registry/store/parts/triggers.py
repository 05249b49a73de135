"""Triggers, in the order in which they were recorded."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True)
class ConditionState:
    """What a condition has done so far."""

    triggers: int = 0
    last_close_ms: int | None = None
    last_seq: int | None = None


class TriggerStore(Protocol):
    """Triggers. They get their ``seq`` when they are recorded, by :meth:`TickStore.record_tick`."""

    def last_seq(self) -> int:
        """The highest ``seq`` in use: of the newest trigger, or of a floor raised above it; 0 if there is neither."""
        ...

    def after(self, seq: int, limit: int, condition_ids: Collection[str] | None = None) -> pl.DataFrame:
        """The next triggers with a higher ``seq``, of some conditions or of all, in order, all columns."""
        ...

    def of(self, condition_id: str, limit: int, before_seq: int | None = None) -> pl.DataFrame:
        """The newest triggers of one condition (before a ``seq``), newest first."""
        ...

    def condition_state(self, condition_id: str) -> ConditionState:
        """How often a condition has fired, and when last."""
        ...

    def is_recorded(self, condition_id: str, close_ms: int) -> bool:
        """Whether there is a trigger of a condition on the candle that closes at a time."""
        ...

    def adopt(self, rows: pl.DataFrame) -> int:
        """Take triggers from an event log that is ahead of this store. Returns how many ``seq`` they used.

        ``rows`` has all columns of table ``condition_triggers``, times zoned UTC. Those above :meth:`last_seq` are
        taken; they must follow it without gaps. A trigger that is already stored is not added again: its ``seq``
        becomes a gap. Watermarks stay: a tick that yields an adopted trigger again does not record it a second time.
        Raises :class:`common.errors.StoreError` for rows that do not follow.
        """
        ...

    def raise_floor(self, seq: int) -> None:
        """Ensure, for good, that the next trigger gets a ``seq`` above this one."""
        ...

    def floor_gaps(self) -> list[tuple[int, int]]:
        """First and last ``seq`` of ranges that no trigger of this store has or will ever have, oldest first."""
        ...

    def counts(self) -> pl.DataFrame:
        """``condition_id triggers last_close_time`` of every condition that has ever fired."""
        ...

"""How long the log keeps events. Older ones can be read by ``seq`` from the store, which keeps them all."""

from common.timeframes import to_ms
from events.log.redis_log import ConsumerGroup, RedisEventLog
from registry.store.parts.triggers import TriggerStore

RETENTION_MS = 72 * 3_600_000
"""How long events are kept by default."""

MOST_EVENTS = 1_000_000
"""The most events the log holds, even if a consumer has not read older ones yet."""


def retention_floor(triggers: TriggerStore, retention_ms: int) -> int:
    """``seq`` of the newest trigger recorded more than ``retention_ms`` before the newest of all; 0 if there is none.

    Measured from the newest trigger and not from a clock: a hub that stands still forgets nothing.
    """
    newest_ms = _newest_emitted_ms(triggers)
    if newest_ms is None:
        return 0
    low, high = 0, triggers.last_seq()
    while low < high:
        middle = (low + high) // 2
        emitted_ms = _emitted_ms(triggers, middle)
        if emitted_ms is not None and emitted_ms < newest_ms - retention_ms:
            low = middle + 1
        else:
            high = middle
    return low


def trim(
    triggers: TriggerStore, log: RedisEventLog, *, retention_ms: int = RETENTION_MS, most: int = MOST_EVENTS
) -> int:
    """Drop events older than the retention that no live group still has to read; returns how many were dropped.

    A group is live if one of its consumers has read within the retention. Beyond ``most`` events the oldest are dropped
    regardless: readers that still want them get them from the store.
    """
    floor = retention_floor(triggers, retention_ms)
    live = [group for group in log.groups() if _is_live(group, retention_ms)]
    keep_from = min([floor, *(group.applied_seq for group in live)]) + 1
    return log.trim(max(keep_from, log.last_seq() - most + 1))


def _is_live(group: ConsumerGroup, retention_ms: int) -> bool:
    return group.idle_ms is not None and group.idle_ms < retention_ms


def _newest_emitted_ms(triggers: TriggerStore) -> int | None:
    seq = triggers.last_seq()
    for first, last in reversed(triggers.floor_gaps()):
        if last == seq:
            seq = first - 1
    return _emitted_ms(triggers, seq - 1) if seq else None


def _emitted_ms(triggers: TriggerStore, after_seq: int) -> int | None:
    """When the first trigger after a ``seq`` was recorded."""
    rows = triggers.after(after_seq, 1)
    return to_ms(rows["emitted_at"][0]) if rows.height else None

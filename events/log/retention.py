"""How long the log keeps events. Older ones are had by ``seq`` from the store, which keeps them all."""

from common.timeframes import to_ms
from events.log.redis_log import ConsumerGroup, RedisEventLog
from registry.store.parts.triggers import TriggerStore

RETENTION_MS = 72 * 3_600_000
"""How long events stay where nothing else is said."""

MOST_EVENTS = 1_000_000
"""Events that the log holds at most, whoever still wants older ones."""


def retention_floor(triggers: TriggerStore, retention_ms: int) -> int:
    """``seq`` of the newest trigger that was recorded more than the retention before the newest of all; 0 without one.

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
    """Let go of events beyond the retention that no living group still has to read; how many that were.

    A group lives while one of its consumers has asked within the retention. Beyond ``most`` events the oldest go,
    whoever wants them: those readers get them from the store.
    """
    floor = retention_floor(triggers, retention_ms)
    living = [group for group in log.groups() if _lives(group, retention_ms)]
    keep_from = min([floor, *(group.applied_seq for group in living)]) + 1
    return log.trim(max(keep_from, log.last_seq() - most + 1))


def _lives(group: ConsumerGroup, retention_ms: int) -> bool:
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

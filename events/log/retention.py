"""How long the log keeps events. Older ones are had by ``seq`` from the store, which keeps them all."""

from common.timeframes import to_ms
from events.log.redis_log import Group, RedisEventLog
from registry.store.protocol import TickStore

RETENTION_MS = 72 * 3_600_000
"""How long events stay where nothing else is said."""

MOST_EVENTS = 1_000_000
"""Events that the log holds at most, whoever still wants older ones."""


def retention_floor(ticks: TickStore, retention_ms: int) -> int:
    """``seq`` of the newest trigger that was recorded more than the retention before the newest of all; 0 without one.

    Measured from the newest trigger and not from a clock: a hub that stands still forgets nothing.
    """
    newest_ms = _newest_emitted_ms(ticks)
    if newest_ms is None:
        return 0
    low, high = 0, ticks.last_seq()
    while low < high:
        middle = (low + high) // 2
        emitted_ms = _emitted_ms(ticks, middle)
        if emitted_ms is not None and emitted_ms < newest_ms - retention_ms:
            low = middle + 1
        else:
            high = middle
    return low


def trim(ticks: TickStore, log: RedisEventLog, *, retention_ms: int = RETENTION_MS, most: int = MOST_EVENTS) -> int:
    """Let go of events beyond the retention that no living group still has to read; how many that were.

    A group lives while one of its consumers has asked within the retention. Beyond ``most`` events the oldest go,
    whoever wants them: those readers get them from the store.
    """
    floor = retention_floor(ticks, retention_ms)
    living = [group for group in log.groups() if _lives(group, retention_ms)]
    keep_from = min([floor, *(group.applied_seq for group in living)]) + 1
    return log.trim(max(keep_from, log.last_seq() - most + 1))


def _lives(group: Group, retention_ms: int) -> bool:
    return group.idle_ms is not None and group.idle_ms < retention_ms


def _newest_emitted_ms(ticks: TickStore) -> int | None:
    seq = ticks.last_seq()
    for first, last in reversed(ticks.floor_gaps()):
        if last == seq:
            seq = first - 1
    return _emitted_ms(ticks, seq - 1) if seq else None


def _emitted_ms(ticks: TickStore, after_seq: int) -> int | None:
    """When the first trigger after a ``seq`` was recorded."""
    rows = ticks.triggers_after(after_seq, 1)
    return to_ms(rows["emitted_at"][0]) if rows.height else None

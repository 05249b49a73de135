"""The store is the outbox: the newest id in the stream says what has been published, and nothing else has to."""

from events.log import EventLog
from events.payload import entries_of
from registry import failpoints
from registry.errors import EventLogAhead, EventLogError
from registry.store.protocol import Store

BATCH = 1_000
"""Events in one call to the server."""


def drain(store: Store, log: EventLog) -> int:
    """Publish every trigger that the log does not have yet; how many that were.

    Safe to repeat and to run twice at once: the log takes a batch only where it continues. Raises
    :class:`EventLogAhead` when the log knows more than the store, :class:`EventLogError` when the server fails.
    """
    published = 0
    stuck_at = -1
    last = log.last_seq()
    failpoints.reach("after_read_last")
    while True:
        newest = store.ticks.last_seq()
        if last > newest:
            raise EventLogAhead(
                f"the event log has triggers up to {last}, the store only up to {newest}: this is the log of another "
                "store, or the store was restored from an older backup; point REDIS_URL or HUB_DATA_DIR to the pair "
                "that belongs together"
            )
        if last == newest:
            return published
        batch = entries_of(store.ticks.triggers_after(last, BATCH))
        failpoints.reach("before_publish")
        after = log.append(last, batch)
        failpoints.reach("after_publish")
        if after == batch[-1].seq:
            published += len(batch)
        elif after == stuck_at:
            raise EventLogError(f"the event log stays at {after} and does not take trigger {batch[0].seq}")
        else:
            # Somebody else appended, or the server came back with a shorter log: go on from where it is.
            stuck_at = after
        last = after

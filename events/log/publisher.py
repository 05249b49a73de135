"""The store is the outbox: the newest id in the stream is the only record of what has been published."""

import time
from contextlib import nullcontext

from common import failpoints
from common.errors import EventLogError
from events import metrics
from events.log.payload import entries_of
from events.log.reconciliation import reconcile_alone
from events.log.redis_log import EventLog, owner_name
from events.log.retention import RETENTION_MS, retention_floor
from registry.store.protocol import SharedStore, Store

BATCH = 1_000
"""Events in one call to the server."""


def drain(store: Store, log: EventLog, *, retention_ms: int = RETENTION_MS) -> int:
    """Publish every trigger that the log does not have yet, and return how many there were.

    Of the processes that share a store, one publishes at a time.

    A log that lost its events is refilled from the start of the retention; older events can be read by ``seq`` from the
    store. If the log is ahead of the store, the store first takes back the triggers it lacks. Safe to repeat and to run
    concurrently: the log accepts a batch only if it continues the log. Raises :class:`common.errors.EventLogAhead` if
    the log belongs to another store, :class:`common.errors.EventLogError` if the server fails.
    """
    with store.publishing() if isinstance(store, SharedStore) else nullcontext():
        return _drain(store, log, retention_ms)


def _drain(store: Store, log: EventLog, retention_ms: int) -> int:
    triggers = store.triggers
    published = 0
    stuck_at = -1
    floor: int | None = None
    if isinstance(store, SharedStore) and store.replaced() is not None:
        reconcile_alone(store, log)
    # Who works on another process's store publishes for whichever copy that is.
    generation = store.generation() if isinstance(store, SharedStore) else log.generation()
    owner = owner_name(store.identity(), generation)
    last = log.last_seq()
    failpoints.reach("after_read_last")
    while (newest := triggers.last_seq()) != last:
        metrics.PUBLISH_LAG.set(max(0, newest - last))
        if last > newest:
            reconcile_alone(store, log)
            continue
        if newest - last > BATCH:
            floor = retention_floor(triggers, retention_ms) if floor is None else floor
            if floor > last:
                last = log.skip(owner, last, floor).last_seq
                continue
        batch = entries_of(triggers.after(last, BATCH))
        failpoints.reach("before_publish")
        started = time.perf_counter()
        # Numbers at the end that no trigger has are skipped in the log as well.
        appended = log.append(owner, last, batch) if batch else log.skip(owner, last, newest)
        failpoints.reach("after_publish")
        if appended.taken:
            published += len(batch)
            metrics.EVENTS_PUBLISHED.inc(len(batch))
            metrics.APPEND_SECONDS.observe(time.perf_counter() - started)
        elif appended.last_seq == stuck_at:
            raise EventLogError(f"the event log stays at {stuck_at} and does not accept what follows trigger {last}")
        else:
            # Another process appended, or the server came back with a shorter log: continue from where it is.
            stuck_at = appended.last_seq
        last = appended.last_seq
    metrics.PUBLISH_LAG.set(0)
    return published

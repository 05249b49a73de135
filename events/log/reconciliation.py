"""Reconciles store and log: a store restored from an older backup takes back from the log the triggers it lacks.

A log that is behind is not this module's concern: the store is the outbox, and draining it fills the log.
"""

import logging
from collections.abc import Sequence
from contextlib import nullcontext

import msgspec
import polars as pl

from common.errors import EventLogError
from events import metrics
from events.log.payload import Entry
from events.log.redis_log import EventLog, foreign, owner_name
from registry.store.parts.triggers import TriggerStore
from registry.store.protocol import SharedStore, Store

_log = logging.getLogger(__name__)

_BATCH = 1_000
_TIMES = ("open_time", "close_time", "emitted_at")


def reconcile(store: Store, log: EventLog) -> int:
    """Make sure that the log belongs to this store, bring the store up to it, and return how many triggers it got back.

    Call it before any candle is judged. Of the processes that share a store, one does it at a time. Raises
    :class:`common.errors.EventLogAhead` if the log belongs to another store, or if store and log have diverged since a
    backup was restored.
    """
    with store.publishing() if isinstance(store, SharedStore) else nullcontext():
        return reconcile_alone(store, log)


def reconcile_alone(store: Store, log: EventLog) -> int:
    """As :func:`reconcile`, for the one process that publishes."""
    _refuse_foreign(store, log)
    seen = store.replaced() if isinstance(store, SharedStore) else None
    if not isinstance(store, SharedStore) or seen is None:
        return _take_all_back(store, log)
    generation = max(store.generation(), log.generation()) + 1
    # First: whoever still publishes what the database before had gets in before it, and is read now, or not at all.
    log.claim(owner_name(store.identity(), generation))
    last = store.triggers.last_seq()
    restored = _take_all_back(store, log)
    # What was recorded and seen, but not published, is judged again, under other numbers.
    store.triggers.raise_floor(seen)
    store.note_reconciled(generation)
    _log.error(
        "another copy of the store's database has taken its place, as after a failover or when a backup is restored. "
        "It ended at trigger %d, and got %d triggers from the event log; what was registered since the copy was made "
        "has to be registered again, and `hub store check` names what services remember of it",
        last,
        restored,
    )
    return restored


def _take_all_back(store: Store, log: EventLog) -> int:
    triggers = store.triggers
    restored = 0
    while (last := log.last_seq()) > triggers.last_seq():
        restored += _take_back(triggers, log, last)
    if restored:
        metrics.TRIGGERS_RESTORED.inc(restored)
        _log.error(
            "the store was behind the event log, as after restoring an older backup: it took back %d triggers from the "
            "log, up to number %d; conditions and subscriptions registered since the backup cannot be recovered this "
            "way and have to be registered again",
            restored,
            triggers.last_seq(),
        )
    return restored


def _refuse_foreign(store: Store, log: EventLog) -> None:
    owner, own, triggers = log.owner(), store.identity(), store.triggers
    if owner is not None and owner != own:
        raise foreign(owner)
    newest = triggers.last_seq()
    common = log.newest(newest)
    if common is None:
        if owner is None and log.last_seq() > newest:
            raise foreign(f"it goes up to number {log.last_seq()}, this store only to {newest}")
        return
    rows = triggers.after(common.seq - 1, 1)
    if not rows.height or rows["seq"][0] != common.seq:
        return  # a number that no trigger of this store has
    stored, published = rows["trigger_id"][0], common.event.trigger_id
    if stored != published:
        raise foreign(
            f"number {common.seq} is {published} there and {stored} here; if this store was restored from a backup, "
            "restore it once more and start it while the log's server is running"
        )


def _take_back(triggers: TriggerStore, log: EventLog, last: int) -> int:
    """Take back one batch of what the store lacks; numbers that the log no longer holds are never used again."""
    after = triggers.last_seq()
    entries = log.read(after, _BATCH)
    run = _first_run(entries)
    if not run:
        triggers.raise_floor(last)
    elif run[0].seq > after + 1:
        triggers.raise_floor(run[0].seq - 1)
    if run:
        triggers.adopt(_rows(run))
    if triggers.last_seq() <= after:
        raise EventLogError(
            f"the store stays at trigger {after} and accepts none of the event log's triggers up to {last}"
        )
    return len(run)


def _first_run(entries: Sequence[Entry]) -> list[Entry]:
    """The entries up to the first hole between them."""
    run: list[Entry] = []
    for entry in entries:
        if run and entry.seq != run[-1].seq + 1:
            break
        run.append(entry)
    return run


def _rows(entries: Sequence[Entry]) -> pl.DataFrame:
    rows = []
    for entry in entries:
        row = msgspec.structs.asdict(entry.event)
        row["values"] = msgspec.json.encode(row["values"]).decode()
        row["definition_versions"] = row.pop("definition_version")
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(
        pl.from_epoch(name, time_unit="ms").dt.replace_time_zone("UTC") for name in _TIMES
    )

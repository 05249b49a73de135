"""Brings store and log together: a log that is ahead gives back what an older backup of the store does not know.

A log that is behind is no matter for this module: the store is the outbox, and draining it fills the log.
"""

import logging
from collections.abc import Sequence

import msgspec
import polars as pl

from common.errors import EventLogError
from events import metrics
from events.log.payload import Entry
from events.log.redis_log import EventLog, foreign
from registry.store.parts.triggers import TriggerStore
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_BATCH = 1_000
_TIMES = ("open_time", "close_time", "emitted_at")


def reconcile(store: Store, log: EventLog) -> int:
    """Make sure that the log is this store's, and bring the store up to it; how many triggers the store got back.

    To be called before anything is judged. Raises :class:`common.errors.EventLogAhead` when the log is another
    store's, or when both went on apart after a backup was restored.
    """
    _refuse_foreign(store, log)
    triggers = store.triggers
    restored = 0
    while (last := log.last_seq()) > triggers.last_seq():
        restored += _take_back(triggers, log, last)
    if restored:
        metrics.TRIGGERS_RESTORED.inc(restored)
        _log.error(
            "the store was behind the event log, as an older backup is: it took %d triggers from the log, up to %d; "
            "conditions and subscriptions that were registered since the backup are not among them",
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
            raise foreign(f"up to {log.last_seq()}, this store has triggers up to {newest}")
        return
    rows = triggers.after(common.seq - 1, 1)
    if not rows.height or rows["seq"][0] != common.seq:
        return  # a number that no trigger of this store has
    stored, published = rows["trigger_id"][0], common.event.trigger_id
    if stored != published:
        raise foreign(
            f"number {common.seq} is {published} there and {stored} here; if this store was restored from a backup, "
            "restore it once more and start it while the log's server answers"
        )


def _take_back(triggers: TriggerStore, log: EventLog, last: int) -> int:
    """One batch of what the store lacks; numbers that the log does not hold any more are never used again."""
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
        raise EventLogError(f"the store stays at trigger {after} and takes none of the event log's up to {last}")
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

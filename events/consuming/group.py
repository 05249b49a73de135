"""A consumer's side of the log: its consumer group on the stream.

The group's own position is not authoritative: the consumer's ledger says what is applied, and the group is set to that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from events.consuming.dead_letters import Letter, dead_stream, order_stream, unreadable_letter
from events.log.payload import Entry
from events.log.redis_log import STREAM, RedisEventLog, explain, parse_entry, seq_of

_CONSUMER = "consumer"


@dataclass(frozen=True)
class Synchronised:
    """The state in which a group was before it was set to the ledger's position."""

    was_missing: bool
    """There was no group: the consumer is new, or the server lost everything."""
    pending_until: int
    """The last ``seq`` that was handed out and is neither acknowledged nor applied; 0 if there is none."""


class GroupReader:
    """Reads the stream as one group. Raises :class:`common.errors.EventLogError` if the server fails or refuses."""

    def __init__(self, log: RedisEventLog, name: str) -> None:
        self.name = name
        self._client: Any = log.client
        self.unreadable: list[tuple[int, Letter]] = []
        """``seq`` and dead letter of entries that could not be read and are not acknowledged yet."""

    def synchronise(self, seq: int) -> Synchronised:
        """Create the group or reset the existing one, so that it reads on after ``seq``.

        Pending entries up to ``seq`` are acknowledged, whichever process they were handed to.
        """
        try:
            try:
                self._client.xgroup_create(STREAM, self.name, id=f"{seq}-0", mkstream=True)
                return Synchronised(True, 0)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            pending = self._take_over()
            if applied := [pending_seq for pending_seq in pending if pending_seq <= seq]:
                self.acknowledge(applied, ())
            self._client.xgroup_setid(STREAM, self.name, f"{seq}-0")
            return Synchronised(False, max((pending_seq for pending_seq in pending if pending_seq > seq), default=0))
        except redis.RedisError as error:
            raise explain(error) from error

    def read(self, limit: int, wait_ms: int) -> list[Entry] | None:
        """The next entries, after waiting up to ``wait_ms``; ``None`` if the group is gone because the server lost it.

        An entry that cannot be read is left out, as if it had been trimmed: the store has it. :attr:`unreadable` gets
        it.
        """
        try:
            streams = self._client.xreadgroup(self.name, _CONSUMER, {STREAM: ">"}, count=limit, block=wait_ms or None)
        except redis.ResponseError as error:
            if "NOGROUP" in str(error):
                return None
            raise explain(error) from error
        except redis.RedisError as error:
            raise explain(error) from error
        entries = []
        for entry_id, fields in streams[0][1] if streams else []:
            if not fields:
                continue  # it was trimmed meanwhile
            entry = parse_entry(entry_id, fields)
            if entry is None:
                self.unreadable.append((seq_of(entry_id), unreadable_letter(entry_id, fields)))
            else:
                entries.append(entry)
        return entries

    def acknowledge(self, seqs: Sequence[int], letters: Iterable[Letter]) -> None:
        """Acknowledge events and add dead letters, both or neither."""
        try:
            pipeline = self._client.pipeline(transaction=True)
            for letter in letters:
                pipeline.xadd(dead_stream(self.name), letter)
            if seqs:
                pipeline.xack(STREAM, self.name, *[f"{seq}-0" for seq in seqs])
            pipeline.execute()
        except redis.RedisError as error:
            raise explain(error) from error

    def _take_over(self) -> list[int]:
        """Claim all pending entries from whichever process has them; trimmed ones thereby leave the pending list."""
        pending: list[int] = []
        cursor = b"0-0"
        while True:
            cursor, claimed, trimmed = self._client.xautoclaim(
                STREAM, self.name, _CONSUMER, min_idle_time=0, start_id=cursor, count=1_000
            )
            pending += [seq_of(entry_id) for entry_id in (*(claimed_id for claimed_id, _ in claimed), *trimmed)]
            if cursor == b"0-0":
                return pending


def forget(log: RedisEventLog, name: str) -> int | None:
    """Remove everything the server knows about a consumer; returns its number of dead letters, ``None`` if unknown.

    A consumer that is still alive recreates its group at its ledger's position, and reports its dead letters again.
    """
    client: Any = log.client
    try:
        pipeline = client.pipeline(transaction=True)
        pipeline.xlen(dead_stream(name))
        pipeline.xgroup_destroy(STREAM, name)
        pipeline.delete(dead_stream(name), order_stream(name))
        letters, was_there, _ = pipeline.execute()
    except redis.ResponseError as error:
        if "requires the key to exist" in str(error):
            return None
        raise explain(error) from error
    except redis.RedisError as error:
        raise explain(error) from error
    return int(letters) if was_there or letters else None

"""A consumer's side of the log: its group of the stream.

The group's own place is no truth: the consumer's ledger says what is applied, and the group is set to that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import redis

from events.consuming.dead_letters import Letter, dead_stream, order_stream
from events.log.payload import Entry
from events.log.redis_log import STREAM, RedisEventLog, entry, explain, seq_of

_CONSUMER = "consumer"


@dataclass(frozen=True)
class Synchronised:
    """How a group was found."""

    was_missing: bool
    """There was none: a new consumer, or a server that lost everything."""
    pending_until: int
    """The last ``seq`` that was handed out and is neither acknowledged nor applied, 0 without one."""


class GroupReader:
    """Reads the stream as one group. Raises :class:`common.errors.EventLogError` when the server refuses."""

    def __init__(self, log: RedisEventLog, name: str) -> None:
        self.name = name
        self._client: Any = log.client

    def synchronise(self, seq: int) -> Synchronised:
        """Make the group, or set the one there is, so that it is handed out what follows ``seq``.

        What it was handed out up to there and never acknowledged is acknowledged, whichever process had it.
        """
        try:
            try:
                self._client.xgroup_create(STREAM, self.name, id=f"{seq}-0", mkstream=True)
                return Synchronised(True, 0)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            pending = self._take_over()
            if applied := [each for each in pending if each <= seq]:
                self.acknowledge(applied, ())
            self._client.xgroup_setid(STREAM, self.name, f"{seq}-0")
            return Synchronised(False, max((each for each in pending if each > seq), default=0))
        except redis.RedisError as error:
            raise explain(error) from error

    def read(self, limit: int, wait_ms: int) -> list[Entry] | None:
        """The next entries, waited for so long; ``None`` if the group is gone, with everything that the server had.

        What cannot be read is left out, as if it had been trimmed: the store has it.
        """
        try:
            found = self._client.xreadgroup(self.name, _CONSUMER, {STREAM: ">"}, count=limit, block=wait_ms or None)
        except redis.ResponseError as error:
            if "NOGROUP" in str(error):
                return None
            raise explain(error) from error
        except redis.RedisError as error:
            raise explain(error) from error
        return [held for fields in (found[0][1] if found else []) if (held := _readable(*fields)) is not None]

    def acknowledge(self, seqs: Sequence[int], letters: Iterable[Letter]) -> None:
        """Acknowledge events and put dead letters aside, both or neither."""
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
        """All that is pending, whoever has it; what was trimmed meanwhile too, which leaves the list by this."""
        pending: list[int] = []
        cursor = b"0-0"
        while True:
            cursor, claimed, trimmed = self._client.xautoclaim(
                STREAM, self.name, _CONSUMER, min_idle_time=0, start_id=cursor, count=1_000
            )
            pending += [seq_of(held) for held in (*(entry_id for entry_id, _ in claimed), *trimmed)]
            if cursor == b"0-0":
                return pending


def forget(log: RedisEventLog, name: str) -> int | None:
    """Remove all that the server knows of a consumer; how many dead letters that were, ``None`` for an unknown one.

    A consumer that is still there makes its group anew, where its ledger is, and tells its dead letters again.
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


def _readable(entry_id: bytes, fields: dict[bytes, bytes] | None) -> Entry | None:
    try:
        return None if not fields else entry(entry_id, fields)
    except (KeyError, msgspec.MsgspecError):
        return None

"""The event log: one Redis stream whose ids are the triggers' ``seq``, so it has neither a hole nor a double."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import redis

from common.errors import EventLogAhead, EventLogError
from events.log.payload import Entry, channel, decode

STREAM = "triggers"
"""Key of the stream. Entry ids are ``{seq}-0``, the only field is ``event``."""

OWNER = "triggers:owner"
"""Key of the identity of the store whose triggers the stream holds."""

# The check belongs into the server: it may restart with a shorter log between our look and our write.
_CONTINUES = """
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] then return redis.error_reply('FOREIGN ' .. owner) end
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
local last = '0'
if info.err then
    if not string.find(info.err, 'no such key', 1, true) then return info end
else
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then last = string.match(info[i + 1], '^%d+') end
    end
end
if ARGV[2] ~= last then return {0, tonumber(last)} end
if not owner then redis.call('SET', KEYS[2], ARGV[1]) end
"""

# One call for a batch: either it continues right after the newest entry and is appended whole, or nothing happens.
_APPEND = (
    _CONTINUES
    + """
for i = 3, #ARGV, 3 do
    redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'event', ARGV[i + 2])
    redis.call('PUBLISH', ARGV[i + 1], ARGV[i + 2])
end
return {1, tonumber(ARGV[#ARGV - 2])}
"""
)

# An entry that is gone before anybody sees it moves the newest id, whether the stream is there or not.
_SKIP = (
    _CONTINUES
    + """
redis.call('XADD', KEYS[1], ARGV[3] .. '-0', 'event', '')
redis.call('XDEL', KEYS[1], ARGV[3] .. '-0')
return {1, tonumber(ARGV[3])}
"""
)


@dataclass(frozen=True)
class ConsumerGroup:
    """A consumer group of the stream."""

    name: str
    read_seq: int
    """``seq`` up to which it has been handed out."""
    oldest_pending: int | None
    """The first handed out ``seq`` that is not acknowledged."""
    pending: int
    idle_ms: int | None
    """Since one of its consumers last asked; ``None``: it has none."""

    @property
    def applied_seq(self) -> int:
        """``seq`` up to which everything is acknowledged."""
        return self.read_seq if self.oldest_pending is None else min(self.read_seq, self.oldest_pending - 1)


class Appended(NamedTuple):
    """What became of a batch."""

    taken: bool
    last_seq: int
    """Of the newest event ever appended, by then."""


class EventLog(Protocol):
    """The seam to the log."""

    def owner(self) -> str | None:
        """Identity of the store whose triggers it holds; ``None`` while it is nobody's."""
        ...

    def last_seq(self) -> int:
        """``seq`` of the newest event ever appended, 0 without one."""
        ...

    def append(self, owner: str, after: int, entries: Sequence[Entry]) -> Appended:
        """Append entries, in the order of their ``seq``, if the newest one ever is ``after``, or none of them.

        ``after`` is the ``seq`` of the store's trigger before them: what follows it in the store follows it in the log.
        Raises :class:`common.errors.EventLogAhead` when the log is another store's.
        """
        ...

    def skip(self, owner: str, after: int, seq: int) -> Appended:
        """Leave out all ``seq`` up to one, if the newest one ever is ``after``."""
        ...

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        """Entries with a higher ``seq``, oldest first; waits so long for the first one if there is none yet."""
        ...

    def newest(self, until_seq: int) -> Entry | None:
        """The newest entry that it holds up to a ``seq``."""
        ...


class RedisEventLog:
    """The log on a Redis or Valkey server, 7.0 or later. Raises :class:`EventLogError` when the server refuses."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._append = client.register_script(_APPEND)
        self._skip = client.register_script(_SKIP)

    def owner(self) -> str | None:
        held: Any = self._ask("GET", OWNER)
        return None if held is None else held.decode()

    def last_seq(self) -> int:
        try:
            info: Any = self.client.xinfo_stream(STREAM)
        except redis.ResponseError as error:
            if "no such key" in str(error):
                return 0
            raise explain(error) from error
        except redis.RedisError as error:
            raise explain(error) from error
        return seq_of(info["last-generated-id"])

    def append(self, owner: str, after: int, entries: Sequence[Entry]) -> Appended:
        arguments: list[int | str | bytes] = [owner, after]
        for seq, condition_id, payload in entries:
            arguments += (seq, channel(condition_id), payload)
        return self._continue(self._append, arguments)

    def skip(self, owner: str, after: int, seq: int) -> Appended:
        return self._continue(self._skip, [owner, after, seq])

    def length(self) -> int:
        """Number of events that the stream holds."""
        return int(self._ask("XLEN", STREAM))

    def memory_bytes(self) -> int:
        """Memory that the stream takes on the server; an estimate from samples of it."""
        return int(self._ask("MEMORY", "USAGE", STREAM) or 0)

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        try:
            if wait_ms:
                found: Any = self.client.xread({STREAM: f"{after_seq}-0"}, count=limit, block=wait_ms)
                entries = found[0][1] if found else []
            else:
                entries = self.client.xrange(STREAM, min=f"({after_seq}-0", max="+", count=limit)
        except redis.RedisError as error:
            raise explain(error) from error
        return [entry(held_id, fields) for held_id, fields in entries]

    def newest(self, until_seq: int) -> Entry | None:
        try:
            entries: Any = self.client.xrevrange(STREAM, max=f"{until_seq}-0", min="-", count=1)
        except redis.RedisError as error:
            raise explain(error) from error
        return entry(*entries[0]) if entries else None

    def trim(self, first_seq: int) -> int:
        """Let go of events with a lower ``seq``, a few dozen less than all of them; how many that were."""
        return int(self._ask("XTRIM", STREAM, "MINID", "~", f"{first_seq}-0", "LIMIT", 0))

    def groups(self) -> list[ConsumerGroup]:
        """The stream's consumer groups."""
        try:
            if not self.client.exists(STREAM):
                return []
            found: Any = self.client.xinfo_groups(STREAM)
            return [self._group(held) for held in found]
        except redis.RedisError as error:
            raise explain(error) from error

    def _group(self, held: dict[str, Any]) -> ConsumerGroup:
        pending: Any = self.client.xpending(STREAM, held["name"])
        consumers: Any = self.client.xinfo_consumers(STREAM, held["name"])
        return ConsumerGroup(
            name=held["name"].decode(),
            read_seq=seq_of(held["last-delivered-id"]),
            oldest_pending=seq_of(pending["min"]) if pending["pending"] else None,
            pending=int(pending["pending"]),
            idle_ms=min((int(consumer["idle"]) for consumer in consumers), default=None),
        )

    def _continue(self, script: Any, arguments: list[int | str | bytes]) -> Appended:
        try:
            taken, last = script(keys=[STREAM, OWNER], args=arguments)
            return Appended(bool(taken), int(last))
        except redis.ResponseError as error:
            if str(error).startswith("FOREIGN"):
                raise foreign(str(error).rpartition(" ")[2]) from None
            raise explain(error) from error
        except redis.RedisError as error:
            raise explain(error) from error

    def _ask(self, *command: str | int) -> Any:
        client: Any = self.client
        try:
            return client.execute_command(*command)
        except redis.RedisError as error:
            raise explain(error) from error


def entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    """What a stream's entry holds."""
    payload = fields[b"event"]
    return Entry(seq_of(entry_id), decode(payload).condition_id, payload)


def seq_of(entry_id: bytes | str) -> int:
    """``seq`` of a stream id."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    return int(text.partition("-")[0])


def foreign(detail: str) -> EventLogAhead:
    """The error for a log that is not this store's."""
    return EventLogAhead(
        f"the event log holds the triggers of another store ({detail}), nothing is published; point REDIS_URL or "
        "HUB_DATA_DIR to the pair that belongs together, or give this store a log of its own: an empty server, or "
        "another database number in REDIS_URL"
    )


def explain(error: redis.RedisError) -> EventLogError:
    """The hub's error for one of the server or the way to it."""
    return EventLogError(
        f"the event log's server failed ({type(error).__name__}: {error}); triggers are safe in the store and are "
        "published when it answers again"
    )

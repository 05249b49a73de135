"""The event log: one Redis stream whose ids are the triggers' ``seq``, so it has neither gaps nor duplicates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import redis

from common.errors import EventLogAhead, EventLogError
from events import metrics
from events.log.payload import Entry, channel, decode

_log = logging.getLogger(__name__)

STREAM = "triggers"
"""Key of the stream. Entry ids are ``{seq}-0``, the only field is ``event``."""

OWNER = "triggers:owner"
"""Key under which the stream's owner is kept: see :func:`owner_name`."""

# The check has to run in the server: it may restart with a shorter log between our read and our write.
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

# One call for a batch: it is appended whole if it continues right after the newest entry, else nothing happens.
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

# An entry that is deleted before anybody can see it advances the newest id, whether or not the stream exists.
_SKIP = (
    _CONTINUES
    + """
redis.call('XADD', KEYS[1], ARGV[3] .. '-0', 'event', '')
redis.call('XDEL', KEYS[1], ARGV[3] .. '-0')
return {1, tonumber(ARGV[3])}
"""
)


_CLAIM = """
local owner = redis.call('GET', KEYS[1])
if owner and string.match(owner, '^[^#]*') ~= string.match(ARGV[1], '^[^#]*') then
    return redis.error_reply('FOREIGN ' .. owner)
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""


def owner_name(identity: str, generation: int) -> str:
    """The owner that a publisher names: its store, and which of the copies that have taken its place."""
    return f"{identity}#{generation}" if generation else identity


@dataclass(frozen=True)
class ConsumerGroup:
    """A consumer group of the stream."""

    name: str
    read_seq: int
    """``seq`` up to which events have been handed out to it."""
    oldest_pending: int | None
    """The lowest ``seq`` that was handed out and is not acknowledged."""
    pending: int
    idle_ms: int | None
    """Time since one of its consumers last read; ``None`` if it has no consumers."""

    @property
    def applied_seq(self) -> int:
        """``seq`` up to which everything is acknowledged."""
        return self.read_seq if self.oldest_pending is None else min(self.read_seq, self.oldest_pending - 1)


class Appended(NamedTuple):
    """What became of a batch."""

    taken: bool
    last_seq: int
    """``seq`` of the newest event ever appended, after the call."""


class EventLog(Protocol):
    """The seam to the log. Appending or skipping marks an unowned log with its owner; another's log is refused.

    An owner is an :func:`owner_name`. A batch of an older copy of the store raises :class:`EventLogError`.
    """

    def owner(self) -> str | None:
        """Identity of the store whose triggers it holds; ``None`` while it has no owner."""
        ...

    def generation(self) -> int:
        """Which copy of the store publishes; 0 if no copy has ever taken its place, or there is no owner."""
        ...

    def claim(self, owner: str) -> None:
        """Make a copy of the store the one that publishes: nothing is taken from an older one from then on.

        Raises :class:`common.errors.EventLogAhead` if the log belongs to another store.
        """
        ...

    def last_seq(self) -> int:
        """``seq`` of the newest event ever appended, trimmed or not; 0 if there is none."""
        ...

    def append(self, owner: str, after: int, entries: Sequence[Entry]) -> Appended:
        """Append all entries, in the order of their ``seq``, if :meth:`last_seq` is ``after``; otherwise none of them.

        ``after`` is the ``seq`` of the store's trigger before them: what follows it in the store follows it in the log.
        Raises :class:`common.errors.EventLogAhead` if the log belongs to another store.
        """
        ...

    def skip(self, owner: str, after: int, seq: int) -> Appended:
        """Leave out the numbers up to ``seq`` if :meth:`last_seq` is ``after``. Refuses like :meth:`append`."""
        ...

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        """Entries after a ``seq``, oldest first; waits up to ``wait_ms`` for the first one if there is none yet."""
        ...

    def newest(self, until_seq: int) -> Entry | None:
        """The newest entry it still holds with a ``seq`` of at most ``until_seq``."""
        ...


class RedisEventLog:
    """The log on a Redis or Valkey server, 7.0 or later. Raises :class:`EventLogError` if the server fails."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._append = client.register_script(_APPEND)
        self._skip = client.register_script(_SKIP)
        self._claim = client.register_script(_CLAIM)
        self._unreadable_until = 0
        """``seq`` up to which unreadable entries have been reported."""

    def owner(self) -> str | None:
        named = self._named_owner()
        return None if named is None else named.partition("#")[0]

    def generation(self) -> int:
        return int((self._named_owner() or "").partition("#")[2] or 0)

    def claim(self, owner: str) -> None:
        self._run(self._claim, [OWNER], [owner])

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
        """How many events the stream holds."""
        return int(self._ask("XLEN", STREAM))

    def memory_bytes(self) -> int:
        """Memory that the stream uses on the server, estimated from samples."""
        return int(self._ask("MEMORY", "USAGE", STREAM) or 0)

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        """As :meth:`EventLog.read`. What cannot be read is left out, as if it had been trimmed: the store has it."""
        while True:
            try:
                if wait_ms:
                    streams: Any = self.client.xread({STREAM: f"{after_seq}-0"}, count=limit, block=wait_ms)
                    entries = streams[0][1] if streams else []
                else:
                    entries = self.client.xrange(STREAM, min=f"({after_seq}-0", max="+", count=limit)
            except redis.RedisError as error:
                raise explain(error) from error
            readable = [entry for entry in (self._parse(*each) for each in entries) if entry is not None]
            if readable or not entries:
                return readable
            # Nothing but unreadable ones, which would not be waited for: a reader that gets none would ask at once.
            after_seq = seq_of(entries[-1][0])

    def newest(self, until_seq: int) -> Entry | None:
        while True:
            try:
                entries: Any = self.client.xrevrange(STREAM, max=f"{until_seq}-0", min="-", count=1)
            except redis.RedisError as error:
                raise explain(error) from error
            if not entries:
                return None
            if (entry := self._parse(*entries[0])) is not None:
                return entry
            until_seq = seq_of(entries[0][0]) - 1

    def trim(self, first_seq: int) -> int:
        """Drop events with a lower ``seq``, possibly keeping a few dozen of them; returns how many were dropped."""
        return int(self._ask("XTRIM", STREAM, "MINID", "~", f"{first_seq}-0", "LIMIT", 0))

    def groups(self) -> list[ConsumerGroup]:
        """The stream's consumer groups."""
        try:
            if not self.client.exists(STREAM):
                return []
            groups: Any = self.client.xinfo_groups(STREAM)
            return [self._group(info) for info in groups]
        except redis.RedisError as error:
            raise explain(error) from error

    def _group(self, info: dict[str, Any]) -> ConsumerGroup:
        pending: Any = self.client.xpending(STREAM, info["name"])
        consumers: Any = self.client.xinfo_consumers(STREAM, info["name"])
        return ConsumerGroup(
            name=info["name"].decode(),
            read_seq=seq_of(info["last-delivered-id"]),
            oldest_pending=seq_of(pending["min"]) if pending["pending"] else None,
            pending=int(pending["pending"]),
            idle_ms=min((int(consumer["idle"]) for consumer in consumers), default=None),
        )

    def _continue(self, script: Any, arguments: list[int | str | bytes]) -> Appended:
        taken, last = self._run(script, [STREAM, OWNER], arguments)
        return Appended(bool(taken), int(last))

    def _run(self, script: Any, keys: list[str], arguments: Sequence[int | str | bytes]) -> Any:
        try:
            return script(keys=keys, args=arguments)
        except redis.ResponseError as error:
            if str(error).startswith("FOREIGN"):
                raise refused(str(error).rpartition(" ")[2], str(arguments[0])) from None
            raise explain(error) from error
        except redis.RedisError as error:
            raise explain(error) from error

    def _parse(self, entry_id: bytes, fields: dict[bytes, bytes]) -> Entry | None:
        """The log entry in an entry of the stream; ``None``, after a word about it, if it is none."""
        entry = parse_entry(entry_id, fields)
        if entry is None and seq_of(entry_id) > self._unreadable_until:
            self._unreadable_until = seq_of(entry_id)
            metrics.UNREADABLE.inc()
            _log.error(
                "entry %s of the event log cannot be read and is passed over; if the store has a trigger of that "
                "number, readers get it from there",
                entry_id.decode(),
            )
        return entry

    def _named_owner(self) -> str | None:
        named: Any = self._ask("GET", OWNER)
        return None if named is None else named.decode()

    def _ask(self, *command: str | int) -> Any:
        client: Any = self.client
        try:
            return client.execute_command(*command)
        except redis.RedisError as error:
            raise explain(error) from error


def parse_entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry | None:
    """The log entry in an entry of the stream, ``None`` if that was not written by a hub or was damaged."""
    try:
        payload = fields[b"event"]
        seq, event = seq_of(entry_id), decode(payload)
    except (KeyError, ValueError, msgspec.MsgspecError):
        return None
    return Entry(seq, event.condition_id, payload) if event.seq == seq else None


def seq_of(entry_id: bytes | str) -> int:
    """The ``seq`` in a stream id."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    return int(text.partition("-")[0])


def refused(owner: str, publisher: str) -> EventLogError:
    """The error for a publisher that is not the log's owner: both are names as of :func:`owner_name`."""
    identity, _, generation = owner.partition("#")
    if identity != publisher.partition("#")[0]:
        return foreign(identity)
    return EventLogError(
        f"a copy of this store's database has taken its place (the event log knows of {generation or 0} such copies), "
        "and this process still publishes for the one before; it tries again with the copy"
    )


def foreign(detail: str) -> EventLogAhead:
    """The error for a log that belongs to another store."""
    return EventLogAhead(
        f"the event log holds the triggers of another store ({detail}), so nothing is published; point REDIS_URL or "
        "HUB_DATA_DIR at a store and a log that belong together, or give this store a log of its own: an empty server, "
        "or another database number in REDIS_URL"
    )


def explain(error: redis.RedisError) -> EventLogError:
    """The hub's error for a failure of the server or of the connection to it."""
    return EventLogError(
        f"the event log's server failed ({type(error).__name__}: {error}); triggers are safe in the store and will be "
        "published when it answers again"
    )

"""The event log: one Redis stream whose ids are the triggers' ``seq``, so it has neither a hole nor a double."""

from collections.abc import Sequence
from typing import Any, Protocol

import redis

from events.payload import Entry, channel, decode
from registry.errors import EventLogError

STREAM = "triggers"
"""Key of the stream. Entry ids are ``{seq}-0``, the only field is ``event``."""

# One call for a batch: either it continues right after the newest entry and is appended whole, or nothing happens. The
# check belongs into the server: it may restart with a shorter log between our look and our write.
_APPEND = """
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
local last = '0'
if info.err then
    if not string.find(info.err, 'no such key', 1, true) then return info end
else
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then last = string.match(info[i + 1], '^%d+') end
    end
end
if ARGV[1] ~= last then return tonumber(last) end
for i = 2, #ARGV, 3 do
    redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'event', ARGV[i + 2])
    redis.call('PUBLISH', ARGV[i + 1], ARGV[i + 2])
end
return tonumber(ARGV[#ARGV - 2])
"""


class EventLog(Protocol):
    """The seam to the log."""

    def last_seq(self) -> int:
        """``seq`` of the newest event ever appended, 0 without one."""
        ...

    def append(self, after: int, entries: Sequence[Entry]) -> int:
        """Append entries, in the order of their ``seq``, if the newest one ever is ``after``; the newest ``seq`` then.

        ``after`` is the ``seq`` of the store's trigger before them: what follows it in the store follows it in the log.
        """
        ...

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        """Entries with a higher ``seq``, oldest first; waits so long for the first one if there is none yet."""
        ...


class RedisEventLog:
    """The log on a Redis or Valkey server, 7.0 or later. Raises :class:`EventLogError` when the server refuses."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._append = client.register_script(_APPEND)

    def last_seq(self) -> int:
        try:
            info: Any = self._client.xinfo_stream(STREAM)
        except redis.ResponseError as error:
            if "no such key" in str(error):
                return 0
            raise explain(error) from error
        except redis.RedisError as error:
            raise explain(error) from error
        return seq_of(info["last-generated-id"])

    def append(self, after: int, entries: Sequence[Entry]) -> int:
        arguments: list[int | str | bytes] = [after]
        for seq, condition_id, payload in entries:
            arguments += (seq, channel(condition_id), payload)
        try:
            answer: Any = self._append(keys=[STREAM], args=arguments)
        except redis.RedisError as error:
            raise explain(error) from error
        return int(answer)

    def length(self) -> int:
        """Number of events that the stream holds."""
        try:
            length: Any = self._client.xlen(STREAM)
        except redis.RedisError as error:
            raise explain(error) from error
        return int(length)

    def read(self, after_seq: int, limit: int, *, wait_ms: int = 0) -> list[Entry]:
        try:
            if wait_ms:
                found: Any = self._client.xread({STREAM: f"{after_seq}-0"}, count=limit, block=wait_ms)
                entries = found[0][1] if found else []
            else:
                entries = self._client.xrange(STREAM, min=f"({after_seq}-0", max="+", count=limit)
        except redis.RedisError as error:
            raise explain(error) from error
        return [entry(held_id, fields) for held_id, fields in entries]


def entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    """What a stream's entry holds."""
    payload = fields[b"event"]
    return Entry(seq_of(entry_id), decode(payload).condition_id, payload)


def seq_of(entry_id: bytes | str) -> int:
    """``seq`` of a stream id."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    return int(text.partition("-")[0])


def explain(error: redis.RedisError) -> EventLogError:
    """The hub's error for one of the server or the way to it."""
    return EventLogError(
        f"the event log's server failed ({type(error).__name__}: {error}); triggers are safe in the store and are "
        "published when it answers again"
    )

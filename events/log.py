"""The event log: one Redis stream whose ids are the triggers' ``seq``, so it has neither a hole nor a double."""

from collections.abc import Sequence
from typing import Any, Protocol

import redis

from events.payload import Event, channel, decode, encode
from registry.errors import EventLogError

STREAM = "triggers"
"""Key of the stream. Entry ids are ``{seq}-0``, the only field is ``event``."""

# One call for a batch: either it continues right after the newest entry and is appended whole, or nothing happens. The
# check belongs into the server: it may restart with a shorter log between our look and our write.
_APPEND = """
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
local last = 0
if info.err then
    if not string.find(info.err, 'no such key', 1, true) then return info end
else
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then last = tonumber(string.match(info[i + 1], '^%d+')) end
    end
end
if tonumber(ARGV[1]) ~= last + 1 then return last end
for i = 2, #ARGV, 2 do
    last = last + 1
    redis.call('XADD', KEYS[1], string.format('%.0f-0', last), 'event', ARGV[i + 1])
    redis.call('PUBLISH', ARGV[i], ARGV[i + 1])
end
return last
"""


class EventLog(Protocol):
    """The seam to the log."""

    def last_seq(self) -> int:
        """``seq`` of the newest event ever appended, 0 without one."""
        ...

    def append(self, events: Sequence[Event]) -> int:
        """Append events of contiguous ``seq`` if they continue right after the newest; the newest ``seq`` then."""
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
            raise _explain(error) from error
        except redis.RedisError as error:
            raise _explain(error) from error
        return _seq(info["last-generated-id"])

    def append(self, events: Sequence[Event]) -> int:
        arguments: list[int | str | bytes] = [events[0].seq]
        for event in events:
            arguments += [channel(event.condition_id), encode(event)]
        try:
            answer: Any = self._append(keys=[STREAM], args=arguments)
        except redis.RedisError as error:
            raise _explain(error) from error
        return int(answer)

    def length(self) -> int:
        """Number of events that the stream holds."""
        try:
            length: Any = self._client.xlen(STREAM)
        except redis.RedisError as error:
            raise _explain(error) from error
        return int(length)

    def read(self, after_seq: int, limit: int) -> list[Event]:
        """Events with a higher ``seq``, oldest first."""
        try:
            entries: Any = self._client.xrange(STREAM, min=f"({after_seq}-0", max="+", count=limit)
        except redis.RedisError as error:
            raise _explain(error) from error
        return [decode(fields[b"event"]) for _, fields in entries]


def _seq(entry_id: bytes | str) -> int:
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    return int(text.partition("-")[0])


def _explain(error: redis.RedisError) -> EventLogError:
    return EventLogError(
        f"the event log's server failed ({type(error).__name__}: {error}); triggers are safe in the store and are "
        "published when it answers again"
    )

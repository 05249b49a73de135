"""Moving windows that several services share: kept in the event log's server, which all of them reach.

Counting is one script there, by the clock of that server, so that however many services count for a user at once, no
more than the rate is let in between them, and no less. Requests that arrive while the server is being asked are counted
in one call.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from api.http.moving_windows import RateLimit, WindowCount

_log = logging.getLogger(__name__)

_PATIENCE_S = 0.5
"""How long the server may take: requests wait for it."""
_PAUSE_S = 2.0
"""How long it is left alone after a failure."""
_MOST = 100
"""Countings in one call: others of the server wait for it."""

# A window is a list, alternately of times in microseconds and of costs, oldest first, and the sum of its costs.
_COUNT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answers = {}
for i = 1, #KEYS, 2 do
    local window, sum = KEYS[i], KEYS[i + 1]
    local at = 2 * i - 2
    local amount, span = tonumber(ARGV[at + 1]), ARGV[at + 2] * 1000000
    local cost, beyond = tonumber(ARGV[at + 3]), ARGV[at + 4] == '1'
    local total = tonumber(redis.call('GET', sum) or '0')
    local first = redis.call('LRANGE', window, 0, 1)
    while first[1] and tonumber(first[1]) <= now - span do
        redis.call('LPOP', window, 2)
        total = total - first[2]
        first = redis.call('LRANGE', window, 0, 1)
    end
    local counted = beyond or total + cost <= amount
    if counted then
        redis.call('RPUSH', window, string.format('%.0f', now), cost)
        total = total + cost
        redis.call('PEXPIRE', window, span / 1000 + 1)
        redis.call('SET', sum, total, 'PX', span / 1000 + 1)
    elseif total == 0 then
        redis.call('DEL', window, sum)
    else
        redis.call('SET', sum, total, 'KEEPTTL')
    end
    local needed = total + (counted and 1 or math.min(cost, amount)) - amount
    local last, place = nil, 0
    repeat
        local costs = redis.call('LRANGE', window, place, place + 199)
        for k = 1, #costs, 2 do
            last = costs[k]
            needed = needed - costs[k + 1]
            if needed <= 0 then break end
        end
        place = place + 200
    until needed <= 0 or #costs < 200
    local reset = last and last + span - now or 0
    answers[#answers + 1] = {counted and 1 or 0, math.max(0, amount - total), math.ceil(reset)}
end
return answers
"""


class _Counting(NamedTuple):
    keys: tuple[str, str]
    arguments: tuple[int, int, int, int]
    answer: asyncio.Future[WindowCount | None]


class SharedWindows:
    """Windows by class and user on a Redis or Valkey server, 7.0 or later. For use on one event loop.

    While the server cannot be reached, nothing is counted: the caller counts by itself, and ``is_reachable`` says so.
    """

    def __init__(self, url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = redis.Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=_PATIENCE_S, socket_timeout=_PATIENCE_S
        )
        self._script: Any = self._client.register_script(_COUNT)
        self._monotonic = monotonic
        self._queue: list[_Counting] = []
        self._working: asyncio.Task[None] | None = None
        self._ask_from = monotonic()
        self.is_reachable = True
        """Whether the newest call was answered."""

    async def count(
        self, limit: RateLimit, name: str, whose: str, cost: int = 1, *, beyond: bool = False
    ) -> WindowCount | None:
        """As :meth:`api.http.moving_windows.MovingWindows.count`; ``None`` if the server cannot be asked."""
        if self._monotonic() < self._ask_from:
            return None
        answer: asyncio.Future[WindowCount | None] = asyncio.get_running_loop().create_future()
        arguments = (limit.amount, limit.seconds, cost, int(beyond))
        self._queue.append(_Counting(_keys(name, whose), arguments, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="shared rates")
        return await answer

    async def close(self) -> None:
        """Close the connection."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        await self._client.aclose()

    async def _work(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue[:_MOST], self._queue[_MOST:]
                counts = await self._ask(batch)
                for place, each in enumerate(batch):
                    if not each.answer.done():
                        each.answer.set_result(None if counts is None else counts[place])
        finally:
            self._working = None

    async def _ask(self, batch: Sequence[_Counting]) -> list[WindowCount] | None:
        if self._monotonic() < self._ask_from:
            return None
        try:
            counts: Any = await self._script(
                keys=[key for each in batch for key in each.keys],
                args=[argument for each in batch for argument in each.arguments],
            )
        except (redis.RedisError, OSError) as error:
            self._ask_from = self._monotonic() + _PAUSE_S
            if self.is_reachable:
                # Its address may have a password.
                _log.warning(
                    "the server at REDIS_URL, where services share the rates of users, cannot be asked (%s); until it "
                    "can, this service counts for itself",
                    type(error).__name__,
                )
            self.is_reachable = False
            return None
        if not self.is_reachable:
            _log.warning("the rates of users are counted together with other services again")
        self.is_reachable = True
        return [WindowCount(bool(taken), remaining, reset_us / 1e6) for taken, remaining, reset_us in counts]


def _keys(name: str, whose: str) -> tuple[str, str]:
    """The keys of a window. Readers of the server learn no names of users from it."""
    digest = sha256(f"{name}\n{whose}".encode()).hexdigest()[:32]
    return f"rates:{digest}", f"rates:{digest}:sum"

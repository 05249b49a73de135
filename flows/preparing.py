"""Takes in, between the ticks, what was registered and what got its first candles.

A tick does that, too, in the seconds before its close. At the close of many timeframes at once, though, those seconds
are not enough for all of them if most have not been judged since the process started.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from common.errors import HubError
from common.timeframes import DURATION_MS
from flows.runtime import Runtime
from flows.sharding import shard_at

_log = logging.getLogger(__name__)

_MINUTE_MS = 60_000
_AT_MS = 20_000
"""After the minute's closes have been judged, and long before the next ones."""


async def keep_prepared(runtime: Runtime, shards: Callable[[], Iterable[int | None]] = lambda: (None,)) -> None:
    """Prepare all timeframes, or the ``shards`` of them that are judged here, once a minute, until it is cancelled."""
    while True:
        now_ms = runtime.clock.now_ms()
        await runtime.clock.sleep_until(now_ms + (_AT_MS - now_ms) % _MINUTE_MS + 1)
        for timeframe in DURATION_MS:
            for shard in sorted(shards(), key=str):
                await asyncio.to_thread(prepare_unless_ticking, runtime, timeframe, shard)


def prepare_unless_ticking(runtime: Runtime, timeframe: str, shard: int | None = None) -> None:
    """Prepare one timeframe or a shard of it for the next minute, unless a run of it is under way, which does it by
    itself."""
    turn = runtime.turn(timeframe, shard)
    if not turn.acquire(blocking=False):
        return
    try:
        next_ms = (runtime.clock.now_ms() // _MINUTE_MS + 1) * _MINUTE_MS
        runtime.prepare(timeframe, shard_at(runtime.store, shard, next_ms))
    except HubError as error:
        # The next run meets it as well, and tells of it in its state.
        _log.info("%s is not prepared: %s", timeframe, error)
    finally:
        turn.release()

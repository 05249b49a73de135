"""Takes in, between the ticks, what was registered and what got its first candles.

A tick does that, too, in the seconds before its close. At the close of many timeframes at once, though, those seconds
are not enough for all of them if most have not been judged since the process started.
"""

import asyncio
import logging

from common.errors import HubError
from common.timeframes import DURATION_MS
from flows.runtime import Runtime

_log = logging.getLogger(__name__)

_MINUTE_MS = 60_000
_AT_MS = 20_000
"""After the minute's closes have been judged, and long before the next ones."""


async def keep_prepared(runtime: Runtime) -> None:
    """Prepare all timeframes once a minute, until it is cancelled."""
    while True:
        now_ms = runtime.clock.now_ms()
        await runtime.clock.sleep_until(now_ms + (_AT_MS - now_ms) % _MINUTE_MS + 1)
        for timeframe in DURATION_MS:
            await asyncio.to_thread(prepare_unless_ticking, runtime, timeframe)


def prepare_unless_ticking(runtime: Runtime, timeframe: str) -> None:
    """Prepare one timeframe, unless a run of it is under way, which does it by itself."""
    turn = runtime.turn(timeframe)
    if not turn.acquire(blocking=False):
        return
    try:
        runtime.prepare(timeframe, 0, 1)
    except HubError as error:
        # The next run meets it as well, and tells of it in its state.
        _log.info("%s is not prepared: %s", timeframe, error)
    finally:
        turn.release()

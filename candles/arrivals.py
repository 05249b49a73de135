"""The candles of one close as they come: when to ask for them, when what has come is worth judging, when to give up."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from candles.feed import Feed
from candles.followed import Followed
from common.clock import Clock
from registry.groups import Series

_SOCKET_GRACE_S = 1.0
"""How long after a close a final candle may take by websocket before REST is asked."""
_ASKED_S = (0.0, 0.5, 1.5, 3.5, 7.5, 15.0, 30.0)
"""When REST is asked for what a close still lacks: exchanges show a closed candle a moment after its end."""
_GIVEN_UP_S = 40.0
"""What comes later than that is told as having come late (:class:`candles.late_arrivals.LateArrivals`)."""
_QUIET_S = 0.05
"""The candles of a close come together: so long after one of them, the next is not worth waiting for."""
_GATHERED_S = 0.25
"""What has come is held back so long at most the first time, and twice as long each time after that."""
_PATIENCE_S = 5.0
"""If nothing comes for so long, what is there is judged."""


async def arrivals(feed: Feed, clock: Clock, timeframe: str, close_ms: int) -> AsyncIterator[int]:
    """How many candles have come that the conditions of a timeframe read at a close, each time that it is worth
    judging; once at least. It ends when all are there, or those that lack have had their time.

    For use on the feed's event loop, from the close on.
    """
    loop = asyncio.get_running_loop()
    began_s = told_s = loop.time()
    closed_s = began_s - max(0, clock.now_ms() - close_ms) / 1000
    asked: Counter[Series] = Counter()
    lacking = feed.lacking(timeframe, close_ms)
    told, hold_s, is_first = len(lacking), 0.0, True
    while lacking:
        passed_s = loop.time() - began_s
        if passed_s >= _SOCKET_GRACE_S:
            feed.distrust_silent(lacking, closed_s)
        for one in lacking:
            if _is_due(feed, one, asked[one.series], passed_s, closed_s):
                asked[one.series] += 1
                feed.ask(one)
        is_quiet = not await feed.change(_QUIET_S)
        lacking = feed.lacking(timeframe, close_ms)
        passed_s, since_s = loop.time() - began_s, loop.time() - told_s
        if passed_s > _GIVEN_UP_S or not any(_is_expected(one, asked[one.series], close_ms) for one in lacking):
            break
        has_come = len(lacking) < told and (since_s >= hold_s if is_quiet else since_s >= max(hold_s, _GATHERED_S))
        if has_come or (is_first and passed_s > _PATIENCE_S):
            yield told - len(lacking)
            told, told_s, hold_s, is_first = len(lacking), loop.time(), max(2 * hold_s, _GATHERED_S), False
    for one in lacking:
        one.given_up[timeframe] = close_ms
    if is_first or len(lacking) < told:
        yield told - len(lacking)


def _is_due(feed: Feed, one: Followed, asked: int, passed_s: float, closed_s: float) -> bool:
    """Whether REST is to be asked for a series, for which it was asked so often since the close."""
    if asked == len(_ASKED_S) or (asked and one.is_overdue):
        return False
    if passed_s < _SOCKET_GRACE_S and feed.is_pushed(one, closed_s):
        return False
    return passed_s >= _ASKED_S[asked]


def _is_expected(one: Followed, asked: int, close_ms: int) -> bool:
    """Whether a lacking candle is waited for. One that was overdue at the close before is asked for once."""
    if one.awaits_nothing(close_ms):
        return False
    if not one.is_overdue:
        return True
    return not asked or (one.asking is not None and not one.asking.done())

"""One run of a tick: candles are fetched where the process does that, judged, and the run is recorded."""

import asyncio
from dataclasses import replace

from common.timeframes import DURATION_MS, show_time
from flows.advance import Advanced, advance
from flows.runtime import Runtime
from registry.shards import Shard
from registry.store.parts.ticks import RunRecord

_AWAITED_MS = 6 * 60_000
"""How long after a close candles are waited for: a little longer than any may take (:mod:`candles.holes`)."""
_LEFT_MS = 10_000
"""But not until the next close, whose run has to be prepared."""
_LOOKED_S, _GATHERED_S = 0.1, 0.25


async def run_tick(
    runtime: Runtime, run_id: str, timeframe: str, tick_ms: int, *, shard: Shard | None = None
) -> Advanced:
    """Judge every candle of a timeframe, or of a shard of it, that closes by ``tick_ms``, as soon as it is there;
    ``run_id`` names the run in the store.

    Waits until ``tick_ms`` if it is in the future.
    """
    done = await _advance(runtime, timeframe, tick_ms, shard)
    if done.ticks:
        live = runtime.live.get((timeframe, None)) if shard is None else None
        runtime.store.ticks.record_run(
            RunRecord(
                run_id=run_id,
                timeframe=timeframe,
                tick_ms=done.tick_ms,
                ticks=done.ticks,
                triggers=done.triggers,
                prepare_us=done.prepare_us,
                record_us=done.record_us,
                publish_us=done.publish_us,
                plan=None if live is None else live.size(),
            )
        )
    return done


async def _advance(runtime: Runtime, timeframe: str, tick_ms: int, shard: Shard | None) -> Advanced:
    if runtime.ingest is None and runtime.awaits_candles:
        return await _advance_as_candles_come(runtime, timeframe, tick_ms, shard)
    if runtime.ingest is None:
        return await advance(runtime, timeframe, tick_ms, shard=shard)
    # What was registered since the last tick is taken in before the close, not after it.
    runtime.prepare(timeframe, shard)
    await runtime.clock.sleep_until(tick_ms)
    done: Advanced | None = None
    async for inserted in runtime.ingest.rounds(timeframe, tick_ms):
        if done is None or inserted:
            later = await advance(runtime, timeframe, tick_ms, shard=shard)
            done = later if done is None else _both(done, later)
    assert done is not None, "there is one round at least"
    runtime.ingest.note_judged(done.isolated_requests)
    return done


async def _advance_as_candles_come(runtime: Runtime, timeframe: str, tick_ms: int, shard: Shard | None) -> Advanced:
    """Advance again whenever another process has stored candles, until no group waits or it is time for other runs."""
    until_ms = tick_ms + min(DURATION_MS[timeframe] - _LEFT_MS, _AWAITED_MS)
    done: Advanced | None = None
    while True:
        # Before anything is read: what comes meanwhile counts as having come.
        seen = runtime.store.candles.last_change()
        later = await advance(runtime, timeframe, tick_ms, shard=shard)
        done = later if done is None else _both(done, later)
        if not done.waiting:
            return done
        while runtime.store.candles.last_change() == seen:
            if runtime.clock.now_ms() >= until_ms:
                return done
            await asyncio.sleep(_LOOKED_S)
        # The candles of a close come together.
        await asyncio.sleep(_GATHERED_S)


def _both(earlier: Advanced, later: Advanced) -> Advanced:
    """What two advances to the same tick did."""
    return replace(
        later,
        ticks=earlier.ticks + later.ticks,
        groups=earlier.groups + later.groups,
        conditions=earlier.conditions + later.conditions,
        triggers=earlier.triggers + later.triggers,
        published=earlier.published + later.published,
        isolated_requests=earlier.isolated_requests + later.isolated_requests,
        prepare_us=earlier.prepare_us + later.prepare_us,
        record_us=earlier.record_us + later.record_us,
        publish_us=earlier.publish_us + later.publish_us,
    )


def shortcomings_of(done: Advanced) -> str | None:
    """What a run that came to its end could not do, for whoever looks at the run; ``None`` if there is nothing."""
    said = []
    if done.in_error:
        said.append(f"conditions in error: {done.in_error:,} (`hub conditions list` says why)")
    if done.waiting:
        one = min(done.waiting, key=str)
        said.append(f"groups that wait for a candle: {len(done.waiting):,}, one of them {one}")
    if done.publish_error is not None:
        said.append(f"triggers are not published: {done.publish_error}")
    return "; ".join(said) or None


def row_of(done: Advanced) -> dict[str, int | str]:
    """What a run did, for tables and JSON."""
    return {
        "timeframe": done.timeframe,
        "tick": show_time(done.tick_ms),
        "ticks": done.ticks,
        "triggers": done.triggers,
        "published": done.published,
        "waiting": len(done.waiting),
    }

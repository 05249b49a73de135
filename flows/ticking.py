"""One run of a tick: candles are fetched where the process does that, judged, and the run is recorded."""

from dataclasses import replace

from common.timeframes import show_time
from flows.advance import Advanced, advance
from flows.runtime import Runtime
from registry.store.parts.ticks import RunRecord


async def run_tick(
    runtime: Runtime, run_id: str, timeframe: str, tick_ms: int, *, shard: int = 0, shards: int = 1
) -> Advanced:
    """Judge every candle of a timeframe that closes by ``tick_ms``, as soon as it is there; ``run_id`` names the run in
    the store.

    Waits until ``tick_ms`` if it is in the future.
    """
    done = await _advance(runtime, timeframe, tick_ms, shard, shards)
    if done.ticks:
        live = runtime.live.get((timeframe, shard, shards))
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
                plan=live.size() if shards == 1 and live is not None else None,
            )
        )
    return done


async def _advance(runtime: Runtime, timeframe: str, tick_ms: int, shard: int, shards: int) -> Advanced:
    if runtime.ingest is None:
        return await advance(runtime, timeframe, tick_ms, shard=shard, shards=shards)
    # What was registered since the last tick is taken in before the close, not after it.
    runtime.prepare(timeframe, shard, shards)
    await runtime.clock.sleep_until(tick_ms)
    done: Advanced | None = None
    async for inserted in runtime.ingest.rounds(timeframe, tick_ms):
        if done is None or inserted:
            later = await advance(runtime, timeframe, tick_ms, shard=shard, shards=shards)
            done = later if done is None else _both(done, later)
    assert done is not None, "there is one round at least"
    runtime.ingest.note_judged(done.isolated_requests)
    return done


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

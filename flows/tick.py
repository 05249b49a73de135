"""The flow that a deployment schedules for each timeframe."""

from datetime import datetime

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run

from common.timeframes import normalise_timeframe, show_time, to_ms
from flows.advance import Advanced, advance
from flows.runtime import current_runtime
from registry.store.parts.ticks import RunRecord


# An async flow: a sync one spends a second at its end joining its heartbeat thread. No retries: the next tick starts
# from the same watermark.
@flow(name="tick", flow_run_name="tick-{timeframe}", retries=0, persist_result=False, validate_parameters=True)
async def tick(timeframe: str, tick: datetime | None = None, shard: int = 0, shards: int = 1) -> dict[str, int | str]:
    """Advance the watermarks of ``timeframe`` to ``tick``: judge, record and publish every missed candle in order.

    Each series is judged up to the last slot on its own grid that has ended by ``tick``, by default the scheduled start
    of the run. Safe to run twice, late, or never: the next run does what was not done. ``shards`` splits instruments
    over workers.
    """
    timeframe = normalise_timeframe(timeframe)
    runtime = current_runtime()
    moment_ms = to_ms(tick if tick is not None else flow_run.get_scheduled_start_time())
    done = await advance(runtime, timeframe, moment_ms, shard=shard, shards=shards)
    if done.ticks:
        runtime.store.ticks.record_run(
            RunRecord(
                run_id=str(flow_run.get_id()),
                timeframe=timeframe,
                tick_ms=done.tick_ms,
                ticks=done.ticks,
                triggers=done.triggers,
                prepare_us=done.prepare_us,
                record_us=done.record_us,
                publish_us=done.publish_us,
            )
        )
        await acreate_table_artifact(
            table=[_row(done)],
            key=f"tick-{timeframe}",
            description=f"Ticks of {timeframe} up to {show_time(done.tick_ms)}",
        )
    return _row(done)


def _row(done: Advanced) -> dict[str, int | str]:
    return {
        "timeframe": done.timeframe,
        "tick": show_time(done.tick_ms),
        "ticks": done.ticks,
        "triggers": done.triggers,
        "published": done.published,
        "waiting": len(done.waiting),
    }

"""The flow that a deployment schedules for each timeframe."""

from datetime import datetime

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run

from common.timeframes import normalise_timeframe, show_time, to_ms
from flows.runtime import current_runtime
from flows.schedules import due_at
from flows.ticking import row_of, run_tick


# An async flow: a sync one spends a second at its end joining its heartbeat thread. No retries: the next tick starts
# from the same watermark.
@flow(name="tick", flow_run_name="tick-{timeframe}", retries=0, persist_result=False, validate_parameters=True)
async def tick(timeframe: str, tick: datetime | None = None, shard: int = 0, shards: int = 1) -> dict[str, int | str]:
    """Advance the watermarks of ``timeframe`` to ``tick``: judge, record and publish every missed candle in order.

    Each series is judged up to the last slot on its own grid that has ended by ``tick``, by default the minute for
    which the run was scheduled. Safe to run twice, late, or never: the next run does what was not done. ``shards``
    splits instruments over workers.
    """
    timeframe = normalise_timeframe(timeframe)
    runtime = current_runtime()
    moment_ms = to_ms(tick if tick is not None else due_at(flow_run.get_scheduled_start_time()))
    done = await run_tick(runtime, str(flow_run.get_id()), timeframe, moment_ms, shard=shard, shards=shards)
    if done.ticks:
        await acreate_table_artifact(
            table=[row_of(done)],
            key=f"tick-{timeframe}",
            description=f"Ticks of {timeframe} up to {show_time(done.tick_ms)}",
        )
    return row_of(done)

"""The flow that a deployment schedules for each timeframe."""

import logging
import time
from datetime import datetime
from typing import cast

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run
from prefect.states import Completed

from common.timeframes import normalise_timeframe, show_time, to_ms
from flows.advance import Advanced
from flows.cold import runtime_for_run
from flows.hooks import record_failure, record_success, try_again
from flows.schedules import due_at
from flows.sharding import shard_at
from flows.ticking import row_of, run_tick, shortcomings_of

_log = logging.getLogger(__name__)


# An async flow: a sync one spends a second at its end joining its heartbeat thread. No retries, which would delay the
# news of a failure and keep the next run waiting: another run starts from the same watermark.
@flow(
    name="tick",
    flow_run_name="tick-{timeframe}",
    retries=0,
    persist_result=False,
    validate_parameters=True,
    on_completion=[record_success],
    on_failure=[record_failure, try_again],
    on_crashed=[record_failure],
)
async def tick(timeframe: str, tick: datetime | None = None, shard: int | None = None) -> dict[str, int | str]:
    """Advance the watermarks of ``timeframe`` to ``tick``: judge, record and publish every missed candle in order.

    Each series is judged up to the last slot on its own grid that has ended by ``tick``, by default the minute for
    which the run was scheduled. Safe to run twice, late, or never: the next run does what was not done.

    With a ``shard``, only the instruments that it has in the layout that counts at the tick.

    A run that could not judge or publish everything is completed all the same; the message of its state says what.
    """
    timeframe = normalise_timeframe(timeframe)
    moment_ms = to_ms(tick if tick is not None else due_at(flow_run.get_scheduled_start_time()))
    async with runtime_for_run() as runtime:
        started = max(time.time(), moment_ms / 1000)
        done = await run_tick(
            runtime, str(flow_run.get_id()), timeframe, moment_ms, shard=shard_at(runtime.store, shard, moment_ms)
        )
        seconds = time.time() - started
    if done.ticks:
        await _show(done, seconds)
    # Prefect makes a state that is returned that of the run, and gives its data to the caller.
    return cast("dict[str, int | str]", Completed(message=shortcomings_of(done), data=row_of(done)))


async def _show(done: Advanced, seconds: float) -> None:
    """A table of what was done, on the run's page. Judging is over by then: nothing waits for it, or fails with it."""
    row: dict[str, object] = {
        "Tick (UTC)": show_time(done.tick_ms),
        "Candles judged": done.ticks,
        "Groups": done.groups,
        "Conditions judged": done.conditions,
        "Triggers": done.triggers,
        "Published": done.published,
        "Groups waiting": len(done.waiting),
        "Conditions in error": done.in_error,
        "Seconds": f"{seconds:.3f}",
    }
    try:
        await acreate_table_artifact(
            table=[row],
            key=f"tick-{done.timeframe}",
            description=f"Ticks of {done.timeframe} up to {show_time(done.tick_ms)} UTC",
        )
    except Exception as error:
        _log.warning("no artifact of tick %s %s: %s", done.timeframe, show_time(done.tick_ms), error)

"""The deployments of the flows on Prefect: one a timeframe, on the pool of the warm worker."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.types.entrypoint import EntrypointType

from common.grids import Grid
from common.timeframes import DURATION_MS
from flows.schedules import schedules_of
from flows.tick import tick
from flows.worker import POOL, WarmWorker


async def deploy(client: PrefectClient, grids: Iterable[Grid] = ()) -> Sequence[str]:
    """Create or update the pool and the deployments ``tick/1m`` ...; returns their names. ``grids`` are those in use
    beside UTC's."""
    pool = WorkPoolCreate(
        name=POOL,
        type=WarmWorker.type,
        description="Ticks of the Condition Hub, in the process that `hub worker` starts.",
        base_job_template=WarmWorker.get_default_base_job_template(),
    )
    with suppress(ObjectAlreadyExists):
        await client.create_work_pool(pool)
    others = list(grids)
    names = []
    for timeframe in DURATION_MS:
        deployment = await tick.ato_deployment(
            timeframe,
            parameters={"timeframe": timeframe},
            schedules=schedules_of(timeframe, others),
            tags=["condition-hub", "tick", timeframe],
            description=f"Judges what closes on {timeframe}: every missed candle in order, each once.",
            work_pool_name=POOL,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        await deployment.aapply()
        names.append(deployment.full_name)
    return names

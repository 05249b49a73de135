"""What the hub has on a Prefect server, as code: pools, deployments with their schedules, and an automation.

``deploy`` brings a server there from whatever it has, changes nothing that is as it should be, and says what it did.
``prefect.yaml`` has the same deployments for those who use ``prefect deploy`` (``flows.deployment_file`` writes it).
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType
from prefect.workers.process import ProcessWorker

from common.grids import Grid
from common.timeframes import DURATION_MS
from flows.alerting import set_alert, show_dashboard
from flows.audit import audit
from flows.changes import Change
from flows.hooks import NIGHTLY, deployment_name
from flows.schedules import schedules_of
from flows.tick import tick
from flows.upkeep import upkeep
from flows.worker import BATCH, TICKS, WarmWorker, queue_of

TAG = "condition-hub"
"""Of every deployment, and so of every run: automations match it."""

_PAGE = 200
_TIMED = {
    "audit": Cron("20 0 * * *", timezone="UTC"),
    "upkeep": Cron("40 0 * * *", timezone="UTC"),
}
"""Not on the hour, when many timeframes close at once."""


async def deploy(
    client: PrefectClient,
    grids: Iterable[Grid],
    *,
    alert_url: str | None,
    dashboard_url: str,
    working_dir: Path | None = None,
    shards: int = 0,
) -> Sequence[Change]:
    """Create or update the pools, the deployments ``tick/1m`` ..., ``audit/nightly`` and ``upkeep/nightly``, the
    automation that posts failed runs to ``alert_url`` (``None`` removes it), and the link to the dashboard.

    Where the work is in ``shards``, ticks have a deployment for each: ``tick/1m-0`` ...; those of another number of
    shards are removed. ``grids`` are those in use beside UTC's. ``working_dir`` is where the processes of the batch
    pool run, and so read ``.env``; by default in temporary folders.
    """
    changes = [await _deploy_pool(client, pool) for pool in pools()]
    planned = await deployments(grids, working_dir=working_dir, shards=shards)
    changes += [await _deploy(client, each) for each in planned]
    changes += await _remove_others(client, {each.full_name for each in planned})
    alert = await set_alert(client, TAG, alert_url)
    return [*changes, *([] if alert is None else [alert]), await show_dashboard(client, dashboard_url)]


def pools() -> list[WorkPoolCreate]:
    """The work pools: ``ticks`` for the warm worker, and ``batch``, which has a process for each run."""
    return [
        WorkPoolCreate(
            name=TICKS,
            type=WarmWorker.type,
            description="Ticks of the Condition Hub, in the process that `hub worker` starts.",
            base_job_template=WarmWorker.get_default_base_job_template(),
        ),
        WorkPoolCreate(
            name=BATCH,
            type=ProcessWorker.type,
            description="What the Condition Hub does at night, in processes of their own that hold up no tick.",
            base_job_template=ProcessWorker.get_default_base_job_template(),
        ),
    ]


async def deployments(
    grids: Iterable[Grid] = (), *, working_dir: Path | None = None, shards: int = 0
) -> list[RunnerDeployment]:
    """The deployments; none has a concurrency limit, as a second run of a tick does nothing, and a limit would count a
    run that was killed."""
    others = list(grids)
    batch = {} if working_dir is None else {"working_dir": str(working_dir)}
    return [
        *[
            await _deployment(
                tick,
                deployment_name(timeframe, shard),
                schedules_of(timeframe, others),
                f"Judges what closes on {timeframe}{_of(shard)}: every missed candle in order, each once.",
                parameters={"timeframe": timeframe} | ({} if shard is None else {"shard": shard}),
                queue=None if shard is None else queue_of(shard),
            )
            for timeframe in DURATION_MS
            for shard in (range(shards) if shards else (None,))
        ],
        await _deployment(
            audit,
            NIGHTLY,
            [_TIMED["audit"]],
            "Judges the day again by an independent path. Fails if a recorded trigger is not what the candles say.",
            job_variables=batch,
        ),
        await _deployment(
            upkeep,
            NIGHTLY,
            [_TIMED["upkeep"]],
            "Removes what nobody reads any more, measures the costs of isolated evaluations, and makes a backup.",
            job_variables=batch,
        ),
    ]


async def _deployment(
    flow: Flow[Any, Any],
    name: str,
    schedules: Sequence[Schedule],
    description: str,
    *,
    parameters: dict[str, Any] | None = None,
    job_variables: dict[str, Any] | None = None,
    queue: str | None = None,
) -> RunnerDeployment:
    return await flow.ato_deployment(
        name,
        parameters=parameters or {},
        schedules=list(schedules),
        tags=[TAG, flow.name, name],
        description=description,
        work_pool_name=TICKS if flow is tick else BATCH,
        work_queue_name=queue,
        job_variables=job_variables or {},
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _of(shard: int | None) -> str:
    return "" if shard is None else f" in shard {shard}"


async def _remove_others(client: PrefectClient, planned: Collection[str]) -> list[Change]:
    """Remove deployments of ticks for which there is no shard: their runs would do what others do as well."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG, tick.name]))
    known: list[DeploymentResponse] = []
    while page := await client.read_deployments(deployment_filter=ours, limit=_PAGE, offset=len(known)):
        known += page
    removed = [each for each in known if f"{tick.name}/{each.name}" not in planned]
    for each in removed:
        with suppress(ObjectNotFound):
            await client.delete_deployment(each.id)
    return [Change("deployment", f"{tick.name}/{each.name}", "removed") for each in removed]


async def _deploy_pool(client: PrefectClient, pool: WorkPoolCreate) -> Change:
    try:
        await client.create_work_pool(pool)
    except ObjectAlreadyExists:
        return Change("pool", pool.name, "unchanged")
    return Change("pool", pool.name, "created")


async def _deploy(client: PrefectClient, deployment: RunnerDeployment) -> Change:
    name = deployment.full_name
    try:
        known = await client.read_deployment_by_name(name)
    except ObjectNotFound:
        await deployment.aapply()
        return Change("deployment", name, "created")
    if described(known) == described(deployment):
        return Change("deployment", name, "unchanged")
    await deployment.aapply()
    return Change("deployment", name, "changed")


def described(deployment: RunnerDeployment | DeploymentResponse) -> dict[str, Any]:
    """What two equal deployments have in common, whether they are planned or on a server."""
    schedules = [each.schedule.model_dump(mode="json") for each in deployment.schedules or () if each.schedule]
    return {
        "entrypoint": deployment.entrypoint,
        "pool": deployment.work_pool_name,
        "queue": deployment.work_queue_name or "default",
        "parameters": deployment.parameters,
        "job_variables": deployment.job_variables,
        "description": deployment.description,
        "tags": sorted(deployment.tags),
        "schedules": sorted(schedules, key=str),
    }

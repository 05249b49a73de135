"""What earlier workers left behind on Prefect's server: runs that nobody ended, and failures that nobody recorded."""

import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import anyio.to_thread
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterWorkQueueName,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Crashed

from common.timeframes import DURATION_MS
from flows.hooks import deployment_of, failure_of, note_failure, settle
from flows.worker import BATCH, TICKS, queue_of

_UNDER_WAY = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)
_FAILED = (StateType.FAILED, StateType.CRASHED)
_LOOKED_BACK = timedelta(days=1)

_OURS = WorkPoolFilter(name=WorkPoolFilterName(any_=[TICKS, BATCH]))


async def reap_dead_runs(client: PrefectClient, shards: Collection[int] | None = None) -> int:
    """Mark runs as crashed that a worker was at when it was killed; returns how many. Only while no worker runs, or for
    ``shards`` whose worker is gone.

    A process of the batch pool may have outlived its worker: it goes on.
    """
    reaped = 0
    chosen = _in_state(*_UNDER_WAY)
    if shards is not None:
        chosen.work_queue_name = FlowRunFilterWorkQueueName(any_=[queue_of(shard) for shard in shards])
    for run in await client.read_flow_runs(flow_run_filter=chosen, work_pool_filter=_OURS):
        if run.work_pool_name == BATCH and _is_alive(run.infrastructure_pid):
            continue
        await client.set_flow_run_state(run.id, Crashed(message="the worker that ran it was killed"), force=True)
        reaped += 1
    return reaped


async def record_past_failures(client: PrefectClient) -> None:
    """Record the failures of the last day that the store may not know: nobody calls the hooks of a run whose worker was
    killed, and a worker may have ended before the store came back. What is known already is not recorded again."""
    since = datetime.now(UTC) - _LOOKED_BACK
    chosen = _in_state(*_FAILED)
    chosen.end_time = FlowRunFilterEndTime(after_=since)
    runs = await client.read_flow_runs(
        flow_run_filter=chosen, work_pool_filter=_OURS, sort=FlowRunSort.END_TIME_DESC, limit=200
    )
    names = {flow.id: flow.name for flow in await client.read_flows()} if runs else {}
    for run in reversed(runs):
        if run.state is not None:
            note_failure(failure_of(deployment_of(names[run.flow_id], run.parameters), run, run.state))
    if runs:
        await anyio.to_thread.run_sync(settle)
    for run in {run.deployment_id: run for run in reversed(runs)}.values():
        if await _has_succeeded_since(client, run):
            await anyio.to_thread.run_sync(settle, deployment_of(names[run.flow_id], run.parameters))


async def catch_up(
    client: PrefectClient, shards: Collection[int | None] = (None,), timeframes: Collection[str] = tuple(DURATION_MS)
) -> None:
    """Have one run of each tick, or of each of these shards of it, made at once: the close of a day that nobody was
    there for is not to wait for the next one, and states are warm before the first close."""
    for timeframe in timeframes:
        for shard in shards:
            name = deployment_of("tick", {"timeframe": timeframe, "shard": shard})
            deployment = await client.read_deployment_by_name(name)
            await client.create_flow_run_from_deployment(deployment.id)


async def _has_succeeded_since(client: PrefectClient, failed: FlowRun) -> bool:
    if failed.deployment_id is None:
        return False
    completed = _in_state(StateType.COMPLETED)
    completed.end_time = FlowRunFilterEndTime(after_=failed.end_time)
    later = await client.read_flow_runs(
        flow_run_filter=completed,
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[failed.deployment_id])),
        limit=1,
    )
    return bool(later)


def _in_state(*types: StateType) -> FlowRunFilter:
    return FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))))


def _is_alive(infrastructure_pid: str | None) -> bool:
    """Whether a process of this machine is running, named as Prefect does: by its number, or behind the host's name."""
    try:
        os.kill(int((infrastructure_pid or "").rpartition(":")[2]), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True

"""A Prefect worker that runs flows in its own warm process: kernels compiled, states in memory.

Prefect's process worker starts a new process for each run, which takes seconds; what it computes is the same.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.flow_engine import run_flow_async
from prefect.states import Crashed
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from flows.tick import tick

_log = logging.getLogger(__name__)

POOL = "ticks"
FLOWS: Mapping[str, Flow[Any, Any]] = {"flows.tick.tick": tick}
"""Entrypoint of a deployment -> the flow that is run for it."""

_PREFETCH_S = 10.0
_CANCELLED_S = 30.0
"""How long the runs under way may take to end when the worker is stopped."""


class WarmResult(BaseWorkerResult):
    """Whether a run was made; its state is what the flow's engine has reported."""


class WarmWorker(BaseWorker[BaseJobConfiguration, BaseVariables, WarmResult]):
    """Runs the flows of :data:`FLOWS` in threads of its process, one run of a deployment at a time."""

    type = "warm"
    job_configuration = BaseJobConfiguration
    job_configuration_variables = BaseVariables
    _description = "Runs flows in its own process, which is warm. Started by `hub worker`."

    def __init__(self, **options: Any) -> None:
        super().__init__(POOL, prefetch_seconds=_PREFETCH_S, **options)
        self._turns: dict[object, asyncio.Lock] = {}

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,  # noqa: ARG002 - nothing about a run can be configured
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmResult:
        """Run one flow run to its end."""
        if task_status is not None:
            task_status.started(os.getpid())
        assert flow_run.deployment_id is not None, "a worker runs what deployments have scheduled"
        deployment = await self.client.read_deployment(flow_run.deployment_id)
        flow = FLOWS[deployment.entrypoint or ""]
        # Two runs of a timeframe would move the same state.
        async with self._turns.setdefault(flow_run.deployment_id, asyncio.Lock()):
            # In a thread of its own, so that polling and heartbeats go on, and the engine installs no signal handlers.
            await anyio.to_thread.run_sync(_run, flow, flow_run)
        # Another code would make the worker report a crash over the state that the engine has reported.
        return WarmResult(status_code=0, identifier=f"{os.getpid()}:{flow_run.id}")


def _run(flow: Flow[Any, Any], flow_run: FlowRun) -> None:
    asyncio.run(run_flow_async(flow, flow_run=flow_run, parameters=dict(flow_run.parameters), return_type="state"))


async def reap_dead_runs(client: PrefectClient) -> int:
    """Mark runs as crashed that a worker was at when it was killed; returns how many. Only while no worker runs."""
    under_way = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    runs = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=under_way)),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
    )
    for run in runs:
        await client.set_flow_run_state(run.id, Crashed(message="the worker that ran it was killed"), force=True)
    return len(runs)


async def work(stop: asyncio.Event) -> None:
    """Run what the deployments of the pool schedule, until ``stop`` is set; then the runs under way end first."""
    worker = WarmWorker(name=f"hub {os.getpid()}")
    running = asyncio.create_task(worker.start(printer=_log.info))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    running.cancel()
    await asyncio.wait({running}, timeout=_CANCELLED_S)
    if running.done() and not running.cancelled() and (error := running.exception()) is not None:
        raise error

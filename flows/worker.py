"""The workers: a warm one for ticks, and Prefect's process worker for what would hold them up.

The warm one runs flows in its own process, with kernels compiled and states in memory. The process worker starts a new
process for each run, which takes seconds; what it computes is the same.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
from prefect import Flow
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from prefect.workers.process import ProcessWorker

from common.freed_memory import give_back_freed_memory
from common.timeframes import normalise_timeframe
from flows.runtime import current_runtime
from flows.tick import tick

_log = logging.getLogger(__name__)

TICKS = "ticks"
"""The pool of the warm worker."""
BATCH = "batch"
"""The pool of what would hold up a tick: each of its runs has a process of its own."""
FLOWS: Mapping[str, Flow[Any, Any]] = {"flows.tick.tick": tick}
"""Entrypoint of a deployment of :data:`TICKS` -> the flow that is run for it."""

_NOBODY = "default"
"""The queue that every pool has; no run of a shard is in it."""
_PREFETCH_S = 10.0
_MEMORY_EVERY_S = 300.0
_CANCELLED_S = 30.0
"""How long the runs under way may take to end when the worker is stopped."""


class WarmResult(BaseWorkerResult):
    """Whether a run was made; its state is what the flow's engine has reported."""


def queue_of(shard: int) -> str:
    """The queue of :data:`TICKS` for the runs of a shard, which the worker that has the shard polls."""
    return f"shard-{shard}"


class WarmWorker(BaseWorker[BaseJobConfiguration, BaseVariables, WarmResult]):
    """Runs the flows of :data:`FLOWS` in threads of its process, one run of a deployment at a time."""

    type = "warm"
    job_configuration = BaseJobConfiguration
    job_configuration_variables = BaseVariables
    _description = "Runs flows in its own process, which is warm. Started by `hub worker`."

    def __init__(self, shards: Callable[[], Collection[int]] | None = None, **options: Any) -> None:
        """``shards`` tells at any time of which shards runs are to be made; ``None`` for all runs of the pool."""
        super().__init__(TICKS, prefetch_seconds=_PREFETCH_S, **options)
        self._shards = shards
        self._turns: dict[object, asyncio.Lock] = {}

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Begin what is due; only of the shards that are judged here."""
        if self._shards is not None:
            # Without any, Prefect would take those of all.
            self._work_queues = {queue_of(shard) for shard in self._shards()} or {_NOBODY}
        return await super().get_and_submit_flow_runs()

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
    parameters = flow_run.parameters
    with current_runtime().turn(normalise_timeframe(parameters["timeframe"]), parameters.get("shard")):
        asyncio.run(run_flow_async(flow, flow_run=flow_run, parameters=dict(flow_run.parameters), return_type="state"))


async def work(
    stop: asyncio.Event, *, batch: bool, shards: Callable[[], Collection[int]] | None = None, named: str = ""
) -> None:
    """Run what the deployments of the pools schedule, until ``stop`` is set; then the ticks under way end first.

    Without ``batch``, only the ticks; with ``shards``, only those of these shards. ``named`` tells workers of one
    machine apart.
    """
    # A name for good: the server keeps a row for each.
    name = " ".join(filter(None, (f"hub on {socket.gethostname()}", named)))
    workers: list[BaseWorker[Any, Any, Any]] = [WarmWorker(shards, name=name)]
    if batch:
        workers.append(ProcessWorker(BATCH, name=name))
    running = {asyncio.create_task(worker.start(printer=_log.info)) for worker in workers}
    stopping, freeing = asyncio.create_task(stop.wait()), asyncio.create_task(_free_memory())
    await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, freeing, *running):
        task.cancel()
    await asyncio.wait(running, timeout=_CANCELLED_S)
    for task in running:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _free_memory() -> None:
    while True:
        await asyncio.sleep(_MEMORY_EVERY_S)
        await asyncio.to_thread(give_back_freed_memory)

"""What the end of a flow run leaves in the store: its failure, or that its deployment works again.

Prefect's own database forgets runs after a week, and is not what ``/metrics`` and the dashboard read. A failure that
the store cannot take, because it is the store that is away, is recorded at the end of a later run.
"""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Scheduled

from common.clock import SystemClock
from common.errors import HubError, StoreUnreachable
from common.timeframes import DURATION_MS
from flows.runtime import store_in_use
from registry.shards import MOST_SHARDS
from registry.store.parts.runs import RunFailure

_log = logging.getLogger(__name__)

NIGHTLY = "nightly"
"""The deployment of a flow that has only one."""

_MOST_WAITING = 1_000
_LONGEST_MESSAGE = 500
_AGAIN_AFTER = timedelta(minutes=2)
"""How long after a failed tick of a longer timeframe the next run comes."""
_PREFIX = "Flow run encountered an exception: "
"""What Prefect puts before each reason."""

_waiting: list[RunFailure] = []
"""Failures that the store has not taken yet, oldest first."""
_lock = threading.Lock()


def deployment_of(flow_name: str, parameters: Mapping[str, Any]) -> str:
    """The deployment that runs a flow with these parameters: ``tick/1m``, or ``tick/1m-3`` for shard 3.

    Somebody's own run with another timeframe or shard counts as one of ``tick/other``.
    """
    timeframe, shard = parameters.get("timeframe", NIGHTLY), parameters.get("shard")
    is_known = timeframe in (NIGHTLY, *DURATION_MS) and (shard is None or shard in range(MOST_SHARDS))
    return f"{flow_name}/{deployment_name(timeframe, shard) if is_known else 'other'}"


def deployment_name(timeframe: str, shard: int | None) -> str:
    """The name of the deployment for the ticks of a timeframe, or of a shard of it."""
    return timeframe if shard is None else f"{timeframe}-{shard}"


async def try_again(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - a hook's
    """For ``on_failure`` of ticks: have another run made soon, where the next close is far away.

    The run that failed is over, so that it is told at once; what it left is judged by whichever run comes next.
    """
    length_ms = DURATION_MS.get(flow_run.parameters.get("timeframe", ""), 0)
    if flow_run.deployment_id is None or length_ms <= 2 * _AGAIN_AFTER.total_seconds() * 1000:
        return
    async with get_client() as client:
        again: State[Any] = Scheduled(scheduled_time=datetime.now(UTC) + _AGAIN_AFTER)
        await client.create_flow_run_from_deployment(flow_run.deployment_id, state=again)


def record_failure(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """For ``on_failure`` and ``on_crashed``: the store gets the run, and why it did not reach its end."""
    failure = failure_of(deployment_of(flow.name, flow_run.parameters), flow_run, state)
    _log.error("run %s of %s has %s: %s", flow_run.name, failure.deployment, failure.state.lower(), failure.message)
    note_failure(failure)
    # To ask a store that has just stayed away would hold up the next tick for as long again.
    if StoreUnreachable.__name__ not in failure.message:
        settle()


def record_success(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - a hook's
    """For ``on_completion``: the deployment works, again if it was failing."""
    settle(deployment_of(flow.name, flow_run.parameters))


def failure_of(deployment: str, flow_run: FlowRun, state: State[Any]) -> RunFailure:
    """A run in its final state, as the store keeps it."""
    message = (state.message or "").removeprefix(_PREFIX)[:_LONGEST_MESSAGE]
    failed_ms = int(state.timestamp.timestamp() * 1000)
    return RunFailure(str(flow_run.id), deployment, state.name or "Failed", message, failed_ms)


def note_failure(failure: RunFailure) -> None:
    """Keep a failure until the store takes it."""
    with _lock:
        _waiting.append(failure)
        del _waiting[:-_MOST_WAITING]


def settle(succeeded: str | None = None) -> None:
    """Record the failures that wait, and then the success of a deployment, if there is one."""
    with _lock:
        failures, _waiting[:] = list(_waiting), []
    try:
        with store_in_use() as store:
            while failures:
                store.runs.record_failure(failures[0])
                del failures[0]
            if succeeded is not None and store.runs.record_success(succeeded, SystemClock().now_ms()):
                _log.warning("%s works again", succeeded)
    except HubError as error:
        _log.error("how runs ended is not recorded yet: %s", error)
        with _lock:
            _waiting[:0] = failures

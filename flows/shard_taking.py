"""Takes shards for this worker and gives them back, as workers come and go, until the worker stops."""

import asyncio
import logging

from httpx import HTTPError
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectException

from common.errors import HubError
from flows.past_runs import catch_up, reap_dead_runs, record_past_failures
from flows.runtime import Runtime
from flows.shard_keeper import RENEWED_S, ShardKeeper

_log = logging.getLogger(__name__)


async def keep_shards(keeper: ShardKeeper, runtime: Runtime, client: PrefectClient) -> None:
    """Renew the leases every few seconds, until it is cancelled.

    What a dead worker was at is marked as crashed on Prefect's server, and a run of each tick of a shard that came is
    made at once: it judges what nobody has judged, and makes the states warm.
    """
    came: asyncio.Queue[tuple[frozenset[int], frozenset[int]]] = asyncio.Queue()
    # Apart from each other: a server that takes its time must not cost the worker its shards.
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_keep_renewed(keeper, came))
        tasks.create_task(_keep_begun(keeper, runtime, client, came))


async def _keep_renewed(keeper: ShardKeeper, came: asyncio.Queue[tuple[frozenset[int], frozenset[int]]]) -> None:
    while True:
        shards, taken_over = await asyncio.to_thread(keeper.renew)
        if shards:
            came.put_nowait((shards, taken_over))
        await asyncio.sleep(RENEWED_S)


async def _keep_begun(
    keeper: ShardKeeper,
    runtime: Runtime,
    client: PrefectClient,
    came: asyncio.Queue[tuple[frozenset[int], frozenset[int]]],
) -> None:
    while True:
        shards, taken_over = await came.get()
        if taken_over:
            _log.warning("shards %s had a worker that is not heard of any more", sorted(taken_over))
        try:
            wanted = await asyncio.to_thread(runtime.store.registry.wanted_groups)
            timeframes = {each.group.base.timeframe for each in wanted}
            await catch_up(client, sorted(shards & keeper.shards), timeframes)
            if taken_over:
                reaped = await reap_dead_runs(client, taken_over)
                _log.warning("%d of their runs are marked as crashed", reaped)
                await record_past_failures(client)
        except (HTTPError, PrefectException, HubError) as error:
            # The runs of the next closes judge what these would have.
            _log.warning("no run is made at once for shards %s: %s", sorted(shards), error)

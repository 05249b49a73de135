"""Runs for candles that came after the tick of their close had given them up, so that they do not wait for the next."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from httpx import HTTPError
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectException

from common.timeframes import from_ms, show_time
from flows.hooks import deployment_of
from flows.ingest import Ingest

_log = logging.getLogger(__name__)


async def keep_judging_late_candles(
    client: PrefectClient, ingest: Ingest, shards: Callable[[], Iterable[int | None]] = lambda: (None,)
) -> None:
    """Have a run of ``tick/1m`` and so on, or of each of the ``shards`` that there are, made whenever candles of it
    came late, until it is cancelled.

    One run a timeframe is on its way at a time. One that cannot be made is no loss: the run of the next close judges
    what came.
    """
    while True:
        for timeframe, close_ms in (await ingest.came_late()).items():
            try:
                for shard in await asyncio.to_thread(shards):
                    name = deployment_of("tick", {"timeframe": timeframe, "shard": shard})
                    deployment = await client.read_deployment_by_name(name)
                    await client.create_flow_run_from_deployment(deployment.id, parameters={"tick": from_ms(close_ms)})
            except (HTTPError, PrefectException) as error:
                _log.warning("late candles of %s wait for the next close: %s", timeframe, error)
            else:
                _log.info("candles of %s came late; a run judges them up to %s", timeframe, show_time(close_ms))

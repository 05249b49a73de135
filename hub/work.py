"""The process that judges by itself: Prefect's server as its child, the deployments, and the warm worker."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from common.errors import HubError, ServiceError, StoreBroken
from common.grids import Grid
from common.settings import Settings
from common.supervised import make_folder
from flows.ingest import Ingest
from flows.runtime import Runtime, open_runtime
from hub.alone import alone
from hub.prefect_server import PrefectServer
from registry.store.files.file_store import FileStore
from registry.store.protocol import OwnStore

_log = logging.getLogger(__name__)

_LOOKED_S = 30.0
"""How often the worker looks for grids that have no runs yet."""


def work(settings: Settings, announce: Callable[[str], object], *, ingest: bool = True) -> None:
    """Judge every timeframe at its closes until SIGTERM or Ctrl-C. ``announce`` gets a message once it is ready.

    With ``ingest``, the candles of its conditions are fetched from their exchanges first.

    Uses the store through the service of the data folder, or owns it if none runs. Raises :class:`ServiceError` if the
    folder has a worker already, what opening the store or starting Prefect's server raises, and :class:`StoreBroken` if
    only a worker that is started again can use the store.
    """
    make_folder(settings.data_dir, ServiceError)
    with alone(settings.data_dir, "worker"), open_runtime(settings) as runtime:
        server = PrefectServer(settings.data_dir / "prefect")
        try:
            server.start().use()
            # Prefect reads its settings when it is imported.
            from engine.warming import warm

            warm(lambda _: None)
            if ingest:
                with Ingest(runtime.store, runtime.clock, settings) as runtime.ingest:
                    asyncio.run(_work(runtime, settings, announce))
            else:
                asyncio.run(_work(runtime, settings, announce))
        finally:
            server.stop()


async def _work(runtime: Runtime, settings: Settings, announce: Callable[[str], object]) -> None:
    from prefect.client.orchestration import get_client

    from flows.deployments import deploy
    from flows.late_candles import keep_judging_late_candles
    from flows.past_runs import catch_up, reap_dead_runs, record_past_failures
    from flows.preparing import keep_prepared
    from flows.worker import work as run_worker

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broken: list[StoreBroken] = []
    if isinstance(runtime.store, OwnStore):
        loop = asyncio.get_running_loop()

        def give_up(error: StoreBroken) -> None:
            broken.append(error)
            loop.call_soon_threadsafe(stop.set)

        runtime.store.when_broken(give_up)
    # Other processes can use the store only through an owner that serves it.
    batch = not isinstance(runtime.store, FileStore)
    async with get_client() as client:
        grids = _grids(runtime)
        deploy_all = partial(
            deploy,
            client,
            working_dir=Path.cwd(),
            alert_url=None if settings.alert_url is None else settings.alert_url.get_secret_value(),
            dashboard_url=settings.dashboard_url,
        )
        changes = await deploy_all(grids)
        if reaped := await reap_dead_runs(client):
            _log.warning("%d runs of a worker that was killed are marked as crashed", reaped)
        await record_past_failures(client)
        await catch_up(client)
        source = "candles only by import" if runtime.ingest is None else "candles from the exchanges"
        names = [change.name for change in changes if change.kind == "deployment"]
        nightly = "" if batch else "; no audits and no upkeep, which need `hub up` to serve the store"
        announce(f"Judging by {len(names)} deployments, {names[0]} to {names[-1]}, {source}{nightly}; Ctrl-C stops it")
        beside = [
            asyncio.create_task(_keep_deployed(deploy_all, runtime, grids)),
            asyncio.create_task(keep_prepared(runtime)),
        ]
        if runtime.ingest is not None:
            beside.append(asyncio.create_task(keep_judging_late_candles(client, runtime.ingest)))
        try:
            await run_worker(stop, batch=batch)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
    if broken:
        raise broken[0]


async def _keep_deployed(
    deploy_all: Callable[[set[Grid]], Awaitable[object]], runtime: Runtime, grids: set[Grid]
) -> None:
    """Have runs at the closes of grids that instruments get while the worker runs."""
    while True:
        await asyncio.sleep(_LOOKED_S)
        try:
            now = await asyncio.to_thread(_grids, runtime)
            if not now <= grids:
                grids |= now
                await deploy_all(grids)
        except HubError as error:
            _log.warning("grids cannot be looked up: %s", error)


def _grids(runtime: Runtime) -> set[Grid]:
    return {listing.grid for listing in runtime.store.candles.listings()}

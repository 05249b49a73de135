"""The process that judges by itself: Prefect's server as its child, the deployments, and the warm worker.

Where a store in Postgres has shards, it judges those that it has leased, and the server is one for all workers.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from common.errors import HubError, ServiceError, StoreBroken
from common.grids import Grid
from common.settings import Settings
from common.supervised import make_folder
from flows.ingest import Ingest
from flows.runtime import Runtime, open_runtime
from flows.shard_keeper import ShardKeeper
from flows.sharding import shards_of
from hub.alone import alone
from hub.prefect_server import PrefectServer, use_server_elsewhere
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
    with alone(settings.data_dir, "worker"), open_runtime(settings) as runtime, ExitStack() as stack:
        keeper = stack.enter_context(ShardKeeper(runtime)) if shards_of(runtime.store, runtime.clock.now_ms()) else None
        server = PrefectServer(settings.data_dir / "prefect")
        try:
            if keeper is None:
                server.start().use()
            else:
                use_server_elsewhere()
            # Prefect reads its settings when it is imported.
            from engine.warming import warm

            warm(lambda _: None)
            if ingest:
                with Ingest(runtime.store, runtime.clock, settings) as runtime.ingest:
                    asyncio.run(_work(runtime, settings, announce, keeper))
            else:
                runtime.awaits_candles = keeper is not None
                asyncio.run(_work(runtime, settings, announce, keeper))
        finally:
            server.stop()


async def _work(
    runtime: Runtime, settings: Settings, announce: Callable[[str], object], keeper: ShardKeeper | None
) -> None:
    from prefect.client.orchestration import get_client

    from flows.deployments import deploy
    from flows.late_candles import keep_judging_late_candles
    from flows.past_runs import catch_up, reap_dead_runs, record_past_failures
    from flows.preparing import keep_prepared
    from flows.shard_taking import keep_shards
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
        changes = await deploy_all(grids, shards=0 if keeper is None else await asyncio.to_thread(keeper.count))
        if keeper is None:
            if reaped := await reap_dead_runs(client):
                _log.warning("%d runs of a worker that was killed are marked as crashed", reaped)
            await catch_up(client)
        await record_past_failures(client)
        elsewhere = "by import" if keeper is None else "as other processes bring them"
        source = f"candles only {elsewhere}" if runtime.ingest is None else "candles from the exchanges"
        names = [change.name for change in changes if change.kind == "deployment"]
        nightly = "" if batch else "; no audits and no upkeep, which need `hub up` to serve the store"
        announce(f"Judging by {len(names)} deployments, {names[0]} to {names[-1]}, {source}{nightly}; Ctrl-C stops it")
        beside = [
            asyncio.create_task(_keep_deployed(deploy_all, runtime, grids, keeper)),
            asyncio.create_task(keep_prepared(runtime, (lambda: (None,)) if keeper is None else lambda: keeper.shards)),
        ]
        if keeper is not None:
            beside.append(asyncio.create_task(keep_shards(keeper, runtime, client)))
        if runtime.ingest is not None:
            there = (lambda: (None,)) if keeper is None else lambda: range(keeper.count())
            beside.append(asyncio.create_task(keep_judging_late_candles(client, runtime.ingest, there)))
        try:
            if keeper is None:
                await run_worker(stop, batch=batch)
            else:
                await run_worker(stop, batch=batch, shards=lambda: keeper.shards, named=_named(settings.data_dir))
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
    if broken:
        raise broken[0]


def _named(data_dir: Path) -> str:
    """A folder in the name of its worker, which may have neither a slash nor a percent sign."""
    return "-".join(data_dir.absolute().parts[1:]).replace("%", "-")


async def _keep_deployed(
    deploy_all: Callable[..., Awaitable[object]], runtime: Runtime, grids: set[Grid], keeper: ShardKeeper | None
) -> None:
    """Have runs at the closes of grids that instruments get while the worker runs, and of shards that are made."""
    deployed = None
    while True:
        try:
            now = await asyncio.to_thread(_grids, runtime)
            shards = 0 if keeper is None else await asyncio.to_thread(keeper.count)
            if deployed is not None and (not now <= grids or shards != deployed):
                grids |= now
                await deploy_all(grids, shards=shards)
            deployed = shards
        except HubError as error:
            _log.warning("grids and shards cannot be looked up: %s", error)
        await asyncio.sleep(_LOOKED_S)


def _grids(runtime: Runtime) -> set[Grid]:
    return {listing.grid for listing in runtime.store.candles.listings()}

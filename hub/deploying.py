"""Deploying to Prefect: to the server that ``PREFECT_API_URL`` names, or else to that of the data folder."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from common.clock import SystemClock
from common.errors import PrefectServerError, SettingsError, StoreMissing
from common.grids import Grid
from common.settings import Settings
from flows.sharding import lay_out, shards_of, shared
from hub.prefect_server import PrefectServer
from registry.shards import MOST_SHARDS
from registry.store import open_configured

if TYPE_CHECKING:
    from flows.changes import Change


def deploy_configured(settings: Settings, shards: int | None = None) -> Sequence["Change"]:
    """Bring pools, deployments, schedules and the automation up to date; returns what there is, and what was changed.

    With ``shards``, the work of the store is laid out in so many. Raises :class:`PrefectServerError` if the server
    cannot be reached or refuses, and :class:`StoreError` if the store cannot have shards.
    """
    grids, there = _in_use(settings, shards)
    elsewhere = os.environ.get("PREFECT_API_URL")
    # Before the shards are laid out: each has its runs when it begins to count.
    deployed = max(there, shards or 0)
    if elsewhere is not None:
        changes = asyncio.run(_deploy(settings, grids, None, elsewhere, deployed))
    else:
        with _own_server(settings) as url:
            changes = asyncio.run(_deploy(settings, grids, Path.cwd(), url, deployed))
    return changes if shards is None else [*changes, _lay_out(settings, shards)]


def _lay_out(settings: Settings, shards: int) -> "Change":
    from flows.changes import Change

    with open_configured(settings) as store:
        layout = lay_out(store, shards, SystemClock().now_ms())
    if layout is None:
        return Change("shards", str(shards), "unchanged")
    return Change("shards", str(shards), "created" if layout.number == 1 else "changed")


async def _deploy(
    settings: Settings, grids: set[Grid], working_dir: Path | None, url: str, shards: int
) -> Sequence["Change"]:
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    from flows.deployments import deploy

    try:
        async with get_client() as client:
            return await deploy(
                client,
                grids,
                alert_url=None if settings.alert_url is None else settings.alert_url.get_secret_value(),
                dashboard_url=settings.dashboard_url,
                working_dir=working_dir,
                shards=shards,
            )
    except (httpx.HTTPError, PrefectException) as error:
        raise PrefectServerError(
            f"cannot deploy to {url}: {type(error).__name__}: {str(error) or 'no answer'}; check PREFECT_API_URL, and "
            "PREFECT_API_KEY or PREFECT_API_AUTH_STRING"
        ) from error


@contextmanager
def _own_server(settings: Settings) -> Iterator[str]:
    """The data folder's server, as it runs, or else started and stopped again."""
    server = PrefectServer(settings.data_dir / "prefect")
    was_running = server.is_running
    server.start().use()
    try:
        yield os.environ["PREFECT_API_URL"]
    finally:
        if not was_running:
            server.stop()


def _in_use(settings: Settings, shards: int | None) -> tuple[set[Grid], int]:
    """The grids of the instruments, and how many shards there are; refuses ``shards`` where there cannot be any."""
    if shards is not None and not 1 <= shards <= MOST_SHARDS:
        raise SettingsError(f"--shards {shards}: there can be 1 to {MOST_SHARDS}")
    try:
        with open_configured(settings, read_only=True) as store:
            if shards is not None:
                shared(store)
            return {listing.grid for listing in store.candles.listings()}, shards_of(store, SystemClock().now_ms())
    except StoreMissing:
        if shards is not None:
            raise
        return set(), 0

"""Deploying to Prefect: to the server that ``PREFECT_API_URL`` names, or else to that of the data folder."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import PrefectServerError, StoreMissing
from common.grids import Grid
from common.settings import Settings
from hub.prefect_server import PrefectServer
from registry.store import open_configured

if TYPE_CHECKING:
    from flows.changes import Change


def deploy_configured(settings: Settings) -> Sequence["Change"]:
    """Bring pools, deployments, schedules and the automation up to date; returns what there is, and what was changed.

    Raises :class:`PrefectServerError` if the server cannot be reached or refuses.
    """
    grids = _grids_in_use(settings)
    elsewhere = os.environ.get("PREFECT_API_URL")
    if elsewhere is not None:
        return asyncio.run(_deploy(settings, grids, None, elsewhere))
    with _own_server(settings) as url:
        return asyncio.run(_deploy(settings, grids, Path.cwd(), url))


async def _deploy(settings: Settings, grids: set[Grid], working_dir: Path | None, url: str) -> Sequence["Change"]:
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


def _grids_in_use(settings: Settings) -> set[Grid]:
    try:
        with open_configured(settings, read_only=True) as store:
            return {listing.grid for listing in store.candles.listings()}
    except StoreMissing:
        return set()

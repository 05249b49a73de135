"""How most commands begin. Nothing is loaded before a command runs, so `hub --help` answers at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from common.settings import Settings
    from registry.directory import Directory
    from registry.store.protocol import Store

DataFolder = Annotated[Path | None, Parameter(help="The data folder, in place of HUB_DATA_DIR.")]


def hub_settings(**options: object) -> "Settings":
    """The settings from the environment and `.env`; ``options`` of the command line that are not ``None`` win."""
    from common.settings import load_settings

    return load_settings(**{name: value for name, value in options.items() if value is not None})


def open_to_read() -> "Store":
    """The configured store, opened read-only."""
    from registry.store import open_configured

    return open_configured(hub_settings(), read_only=True)


def open_to_backtest() -> "Store":
    """The configured store: through its owner, who counts what is tried, or its files, read-only."""
    from registry.store import open_store
    from registry.store.owner import url_of
    from registry.store.remote.token import client_token

    settings = hub_settings()
    url = url_of(settings)
    return open_store(url, token=client_token(settings), read_only=url.startswith("duckdb:"))


def listed_instruments() -> "Directory":
    """The instruments of the configured store; none where there is no store yet."""
    from common.errors import StoreMissing
    from registry.directory import Directory

    try:
        with open_to_read() as store:
            return store.candles.directory()
    except StoreMissing:
        return Directory()


def registered_id(store: "Store", condition: str) -> str:
    """The id of the condition that an argument names: an id, also one that an upgrade superseded, or a condition as it
    is written."""
    from registry.conditions import Condition
    from registry.naming import reading

    successor = store.registry.successor(condition.strip())
    if store.registry.condition(successor) is not None:
        return successor
    with reading(store.candles.directory()):
        return Condition.parse(condition, default_exchange=hub_settings().default_exchange).id

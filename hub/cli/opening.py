"""How most commands begin. Nothing is loaded before a command runs, so `hub --help` answers at once."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.settings import Settings
    from registry.directory import Directory
    from registry.store.protocol import Store


def hub_settings() -> "Settings":
    """The settings from the environment and `.env`."""
    from common.settings import load_settings

    return load_settings()


def open_to_read() -> "Store":
    """The configured store, opened read-only."""
    from registry.store import open_configured

    return open_configured(hub_settings(), read_only=True)


def listed_instruments() -> "Directory":
    """The instruments of the configured store; none where there is no store yet."""
    from common.errors import StoreMissing
    from registry.directory import Directory

    try:
        with open_to_read() as store:
            return store.candles.directory()
    except StoreMissing:
        return Directory()

"""Where the hub keeps its data. ``open_store(url)`` is the only way in."""

from pathlib import Path
from typing import TYPE_CHECKING

from common.clock import Clock
from common.errors import StoreError

if TYPE_CHECKING:
    from common.settings import Settings
    from registry.store.protocol import Store

__all__ = ["open_configured", "open_store"]


def open_configured(settings: "Settings", *, read_only: bool = False, clock: Clock | None = None) -> "Store":
    """The store that the settings name, or that of the data folder's running service: see :func:`open_store`."""
    from registry.store.owner import url_of
    from registry.store.remote.token import client_token

    return open_store(url_of(settings), token=client_token(settings), read_only=read_only, clock=clock)


def open_store(url: str, *, token: str | None = None, read_only: bool = False, clock: Clock | None = None) -> "Store":
    """The store in ``duckdb:PATH``, a folder that this process then owns, that of the owner at ``http://HOST:PORT``, or
    the one in a database of Postgres at ``postgresql://USER@HOST/DATABASE``, which several processes may open.

    ``token`` is the owner's (see :mod:`registry.store.remote.token`). ``read_only`` is for queries, either of files
    that no other process owns or through an owner. ``clock`` timestamps what is written to files, by default the system
    clock. Raises :class:`common.errors.StoreError` or one of its subclasses.
    """
    scheme, _, place = url.partition(":")
    if scheme in ("http", "https"):
        from registry.store.remote.http_store import HttpStore

        return HttpStore(url, token=token, read_only=read_only)
    if scheme in ("postgresql", "postgres"):
        try:
            from registry.store.postgres.pg_store import PgStore
        except ImportError as error:
            raise StoreError(
                "the store of HUB_STORE_URL is in Postgres, for which this hub lacks a library "
                f"({error.name}): pip install 'condition-hub[postgres]'"
            ) from None
        return PgStore(url, read_only=read_only, clock=clock)
    if scheme != "duckdb" or not place:
        raise StoreError(
            f"unknown store URL {url.rsplit('@', maxsplit=1)[-1]!r}; use duckdb:PATH, where PATH is a folder, "
            "http://HOST:PORT of its owner, or postgresql://USER@HOST/DATABASE"
        )
    from registry.store.files.file_store import FileStore

    return FileStore(Path(place), read_only=read_only, clock=clock)

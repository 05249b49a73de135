"""Where the hub keeps what it knows. ``open_store(url)`` is the only way in."""

from pathlib import Path
from typing import TYPE_CHECKING

from common.clock import Clock
from common.errors import StoreError

if TYPE_CHECKING:
    from common.settings import Settings
    from registry.store.protocol import Store

__all__ = ["open_configured", "open_store"]


def open_configured(settings: "Settings", *, read_only: bool = False, clock: Clock | None = None) -> "Store":
    """The store that the settings name, that of the data folder's service if one runs: see :func:`open_store`."""
    from registry.store.owner import url_of
    from registry.store.remote.token import client_token

    return open_store(url_of(settings), token=client_token(settings), read_only=read_only, clock=clock)


def open_store(url: str, *, token: str | None = None, read_only: bool = False, clock: Clock | None = None) -> "Store":
    """The store at ``duckdb:PATH``, where PATH is a folder that this process then owns, or at ``http://HOST:PORT``,
    where its owner is.

    ``token`` is the owner's (see :mod:`registry.store.remote.token`). ``read_only`` is for queries: of files that
    nobody else owns, or of an owner. ``clock`` stamps what is written to files; the machine's by default. Raises
    :class:`common.errors.StoreError` or one of its kinds.
    """
    scheme, _, place = url.partition(":")
    if scheme in ("http", "https"):
        from registry.store.remote.http_store import HttpStore

        return HttpStore(url, token=token, read_only=read_only)
    if scheme != "duckdb" or not place:
        raise StoreError(
            f"store url {url!r} is not known; use duckdb:PATH with PATH a folder, or http://HOST:PORT of its owner"
        )
    from registry.store.files.file_store import FileStore

    return FileStore(Path(place), read_only=read_only, clock=clock)

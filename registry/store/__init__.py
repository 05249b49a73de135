"""Where the hub keeps what it knows. ``open_store(url)`` is the only way in."""

from pathlib import Path
from typing import TYPE_CHECKING

from registry.clock import Clock
from registry.errors import StoreError

if TYPE_CHECKING:
    from registry.store.protocol import Store

__all__ = ["open_store"]


def open_store(url: str, *, read_only: bool = False, clock: Clock | None = None) -> "Store":
    """The store at ``duckdb:PATH``, where PATH is a folder.

    ``read_only`` is for a query by a process that does not own the files. ``clock`` stamps what is written; the
    machine's by default. Raises :class:`registry.errors.StoreError` or one of its kinds.
    """
    scheme, _, place = url.partition(":")
    if scheme != "duckdb" or not place:
        raise StoreError(f"store url {url!r} is not known; use duckdb:PATH with PATH a folder")
    from registry.store.file_store import FileStore

    return FileStore(Path(place), read_only=read_only, clock=clock)

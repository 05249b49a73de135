"""Files and folders that only the user who runs the hub can open: 0600 in 0700.

What the hub writes contains secrets of its users: configurations of bots, signing secrets of webhooks, tokens.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_WRITTEN = (
    "service.*",
    "store_token*",
    "*.ledger*",
    "worker.*",
    "bots.*",
    "store",
    "store.*",
    "events",
    "prefect",
    "dashboard",
    "backups",
    "ingest.json",
    "markets",
    "trials",
)
"""What the hub writes directly into a data folder; whatever else is there belongs to somebody else."""


class NotPrivate(Exception):
    """A place is open to other users and cannot be closed to them; the message says how to do that."""


def keep_private() -> None:
    """Whatever this process and its children create from now on is closed to other users."""
    os.umask(_OTHERS)


def make_private_folder(folder: Path) -> None:
    """Create a folder, and those above it that are missing, for this user alone. Raises ``OSError``."""
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    # If it is no folder, this says so.
    folder.mkdir(exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that others cannot read, not even for a moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        # A file that was there keeps its mode.
        os.fchmod(descriptor, 0o600)
        file.write(text)


def files_of_hub(data_dir: Path) -> Iterator[Path]:
    """The data folder, and everything in it that the hub has written."""
    yield data_dir
    for written in chain.from_iterable(data_dir.glob(pattern) for pattern in _WRITTEN):
        yield written
        if written.is_dir() and not written.is_symlink():
            for folder, folders, files in os.walk(written):
                yield from (Path(folder) / name for name in (*folders, *files))


def exposed(places: Iterable[Path]) -> list[Path]:
    """Those of the places that other users may open, as far as their own modes tell."""
    return [place for place, mode, _ in _modes(places) if mode & _OTHERS]


def close_to_others(places: Iterable[Path]) -> list[Path]:
    """Take all permissions on the places from other users. Returns those that had been open to them.

    Raises :class:`NotPrivate` for one that belongs to another user: whoever owns it can open it again.
    """
    closed = []
    for place, mode, owner in _modes(places):
        us = os.geteuid()
        if us not in (owner, 0):
            raise NotPrivate(
                f"{place} belongs to user {owner}, but this process runs as user {us}: the hub keeps secrets there; "
                f"give it to the hub's user (chown -R {us} {place}), or set HUB_DATA_DIR to another folder"
            )
        if mode & _OTHERS:
            try:
                place.chmod(mode & ~_OTHERS)
            except OSError as error:
                raise NotPrivate(
                    f"{place} is open to other users (mode {mode:04o}) and cannot be closed to them: {error.strerror}; "
                    f"run chmod go-rwx {place}, or set HUB_DATA_DIR to a folder where that is possible"
                ) from error
            closed.append(place)
    return closed


def _modes(places: Iterable[Path]) -> Iterator[tuple[Path, int, int]]:
    """Place, mode and owner of those that exist. What a link points to is not ours to judge."""
    for place in places:
        try:
            status = place.lstat()
            if stat.S_ISLNK(status.st_mode):
                if not place.is_dir():
                    continue
                status = place.stat()
        except FileNotFoundError:
            # A process that ends takes its socket and its notes with it.
            continue
        yield place, stat.S_IMODE(status.st_mode), status.st_uid

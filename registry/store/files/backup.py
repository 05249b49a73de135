"""Backups of a whole store: made while its owner works, restored while nobody uses it."""

import os
import shutil
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from common.errors import StoreError, StoreMissing, StoreNotWritable
from common.private_files import make_private_folder
from registry.store.files.database import CATALOGS, DuckDatabase, refuse_if_open
from registry.store.protocol import Backup

_ENDINGS = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
"""Of a file, its write-ahead log, and what DuckDB has beside it during a checkpoint and during recovery."""


def write_backup(copy_to: Callable[[Path], int], folder: Path) -> Backup:
    """Have ``copy_to`` write everything, as of one moment, into a new folder, and say how many rows that were.

    The folder appears whole or not at all. Raises :class:`StoreError` if it exists already.
    """
    if folder.exists():
        raise StoreError(f"{folder} already exists; name a new folder, each backup has its own")
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    try:
        make_private_folder(partial)
    except OSError as error:
        raise StoreNotWritable(f"cannot create {partial}: {error.strerror}; name a writable folder") from error
    try:
        rows = copy_to(partial)
        for file in partial.iterdir():
            file.chmod(0o600)
            _flush(file)
        partial.rename(folder)
        _flush(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Backup(str(folder), sum(file.stat().st_size for file in folder.iterdir()), rows)


def restore_backup(backup: Path, folder: Path, *, replace: bool) -> Path | None:
    """Put a backup in the place of a store that nobody has open. Returns where the previous store is, if there was one.

    Nothing is deleted: with ``replace``, the previous files are moved to a folder next to theirs. Raises
    :class:`StoreMissing` for a folder that is not a backup, :class:`common.errors.SchemaMismatch` for a backup from a
    newer hub, :class:`common.errors.StoreLocked` while the store is in use, and :class:`StoreError` if there is a store
    and ``replace`` is false.
    """
    missing = [catalog for catalog in CATALOGS if not (backup / f"{catalog}.duckdb").is_file()]
    if missing:
        raise StoreMissing(f"{backup} is not a backup: it has no {missing[0]}.duckdb; `hub store backup` makes one")
    present = files_of(folder)
    if present and not replace:
        raise StoreError(
            f"there is already a store in {folder}; add --yes to replace it with the backup (its files are kept in a "
            "folder next to it), or set HUB_DATA_DIR to another folder"
        )
    if present:
        refuse_if_open(folder)
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    try:
        copy_files(backup, partial)
        _bring_up_to_date(partial, backup)
        aside = _move_aside(folder, present) if present else None
        make_private_folder(folder)
        for file in files_of(partial):
            file.rename(folder / file.name)
        _flush(folder)
    except OSError as error:
        raise StoreNotWritable(
            f"cannot restore into {folder}: {error.strerror}; free some space, or set HUB_DATA_DIR to a writable folder"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return aside


def _bring_up_to_date(copy: Path, backup: Path) -> None:
    """Migrate the copy of a backup, before anything makes way for it: an unreadable one is refused."""
    try:
        DuckDatabase(copy, read_only=False).close()
    except StoreError as error:
        raise type(error)(str(error).replace(str(copy), str(backup))) from error


def copy_files(folder: Path, to: Path, catalogs: Sequence[str] = CATALOGS) -> None:
    """Copy the files of a store that nobody has open into a private folder, which is made if it is not there."""
    make_private_folder(to)
    for file in files_of(folder, catalogs):
        copy = Path(shutil.copy2(file, to))
        copy.chmod(0o600)
        _flush(copy)


def free_name(folder: Path, purpose: str) -> Path:
    """A name beside a folder's that nothing has: its own, the purpose and a number."""
    taken = {path.name for path in folder.parent.iterdir()}
    names = (f"{folder.name}.{purpose}-{number}" for number in count(1))
    return folder.with_name(next(name for name in names if name not in taken))


def files_of(folder: Path, catalogs: Sequence[str] = CATALOGS) -> list[Path]:
    """The files of a store, including their write-ahead logs."""
    names = [f"{catalog}.duckdb{ending}" for catalog in catalogs for ending in _ENDINGS]
    return [folder / name for name in names if (folder / name).is_file()]


def _move_aside(folder: Path, files: list[Path]) -> Path:
    aside = free_name(folder, "before-restore")
    make_private_folder(aside)
    for file in files:
        file.rename(aside / file.name)
    return aside


def _flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

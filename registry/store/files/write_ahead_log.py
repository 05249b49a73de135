"""Looking at DuckDB's write-ahead log before DuckDB replays it, because it drops some damage without a word.

The log begins with its version, and goes on with entries: size, checksum, content. DuckDB refuses a wrong checksum. But
where an entry is cut off it stops reading, as if the process had been killed while it wrote that; and a log that does
not begin like one it skips as a whole, with all that was committed in it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_BEGINNING = bytes.fromhex("64 00 62 65 00")
"""The property "type", a version; the property "version"."""
_KNOWN_VERSION = bytes.fromhex("02 ff ff")
"""Of logs whose entries follow at once; others carry more at the beginning, and are left to DuckDB."""
_HEADER = len(_BEGINNING) + len(_KNOWN_VERSION)
_FRAME = 16
_TYPE_AT = 2
_CHECKPOINT, _COMMIT = 99, 100
_ENDS = (_CHECKPOINT, _COMMIT)
"""After an entry of these types, nothing that comes before is unfinished."""


@dataclass(frozen=True)
class LogCondition:
    """What is in a write-ahead log."""

    path: Path
    begins_well: bool
    """Otherwise DuckDB would skip it."""
    dropped: int
    """Bytes after the last commit, which DuckDB drops."""


def examine(path: Path) -> LogCondition:
    """Look at a log. Raises ``OSError`` if it cannot be read; one that is missing has nothing to drop."""
    try:
        with path.open("rb") as file:
            return _examine(path, file)
    except FileNotFoundError:
        return LogCondition(path, begins_well=True, dropped=0)


def _examine(path: Path, file: BinaryIO) -> LogCondition:
    size = os.fstat(file.fileno()).st_size
    header = file.read(_HEADER)
    if len(header) < _HEADER:
        # Not even the first commit was written.
        return LogCondition(path, begins_well=True, dropped=size)
    if not header.startswith(_BEGINNING):
        return LogCondition(path, begins_well=False, dropped=size)
    if header != _BEGINNING + _KNOWN_VERSION:
        return LogCondition(path, begins_well=True, dropped=0)
    place = committed = _HEADER
    while len(frame := file.read(_FRAME + _TYPE_AT + 1)) == _FRAME + _TYPE_AT + 1:
        place += _FRAME + int.from_bytes(frame[:8], "little")
        if place > size:
            break
        if frame[-1] in _ENDS:
            committed = place
        file.seek(place)
    return LogCondition(path, begins_well=True, dropped=size - committed)

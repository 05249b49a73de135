"""Logs of servers that are not ours, which know no size: their oldest lines are taken away while they run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.supervision import Loops

_LOOKED_S = 60.0


@contextmanager
def keeping_logs_small(data_dir: Path, most_bytes: int, loops: Loops, *, looked_s: float = _LOOKED_S) -> Iterator[None]:
    """Look at the logs in a data folder every minute while the block runs, in a loop of ``loops``, and cut those that
    are larger than that."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(looked_s):
            for path in log_files(data_dir):
                # A server may have taken its log away.
                with suppress(FileNotFoundError):
                    cut_log(path, most_bytes)

    thread = loops.start("logs", look, stop)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def log_files(data_dir: Path) -> Iterator[Path]:
    """The logs in a data folder and in the folders of its servers."""
    for pattern in ("*.log", "*/*.log"):
        yield from data_dir.glob(pattern)


def cut_log(path: Path, most_bytes: int) -> int:
    """Take the oldest lines from a log that is too large; returns the bytes removed.

    In place, as its writer has it open and appends to it: what is written in this very moment may be lost.
    """
    size = path.stat().st_size
    if size <= most_bytes:
        return 0
    with path.open("rb+") as log:
        log.seek(size - most_bytes // 2)
        log.readline()
        newest = log.read()
        log.seek(0)
        log.truncate()
        log.write(newest)
    return size - len(newest)

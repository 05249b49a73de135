"""The owner tidies up while it works: a few rows of its store at a time, without waiting for the night, and memory."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from common.clock import Clock
from common.errors import StoreError
from common.freed_memory import give_back_freed_memory
from common.supervision import Loops
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_EVERY_S, _MEMORY_EVERY_S = 3_600.0, 300.0
_DAY_MS = 24 * 3_600_000


@contextmanager
def tidying(
    store: Store, clock: Clock, loops: Loops, *, history_days: float, every_s: float = _EVERY_S
) -> Iterator[None]:
    """Have a thread remove what nobody reads from the store while the block runs, once an hour unless told otherwise.

    Failures and audits are kept for ``history_days``.
    """
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(every_s):
            try:
                removed = store.trim(int(clock.now_ms() - history_days * _DAY_MS))
            except StoreError as error:
                # A disk that is full, say: the next time does it.
                _log.warning("the store was not tidied up: %s", error)
            else:
                _log.debug("%d rows that nobody reads were removed from the store", removed)

    def free() -> None:
        while not stop.wait(_MEMORY_EVERY_S):
            give_back_freed_memory()

    threads = [loops.start("store-upkeep", run, stop), loops.start("memory-upkeep", free, stop)]
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()

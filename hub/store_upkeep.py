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

_EVERY_S = 300.0
_AFTER_MINUTE_S = 30.0
"""Candles close at the ends of minutes: what holds up a commit for a moment is done halfway between them."""
_DAY_MS = 24 * 3_600_000


@contextmanager
def tidying(
    store: Store, clock: Clock, loops: Loops, *, history_days: float, every_s: float = _EVERY_S
) -> Iterator[None]:
    """Have a thread tidy up while the block runs, every five minutes unless told otherwise.

    It removes what nobody reads from the store and takes its write-ahead logs into the files: until then DuckDB keeps
    all small commits in memory, and would do this in the middle of a tick once a log has 16 MB. Then it gives freed
    memory back. Failures and audits are kept for ``history_days``.
    """
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(_wait_s(clock.now_ms() / 1_000, every_s)):
            try:
                removed = store.trim(int(clock.now_ms() - history_days * _DAY_MS))
            except StoreError as error:
                # A disk that is full, say: the next time does it.
                _log.warning("the store was not tidied up: %s", error)
            else:
                _log.debug("%d rows that nobody reads were removed from the store", removed)
            give_back_freed_memory()

    thread = loops.start("store-upkeep", run, stop)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _wait_s(now_s: float, every_s: float) -> float:
    """The longest wait of at most ``every_s`` that ends halfway between two minutes, if that is a minute or more."""
    return every_s - (now_s - _AFTER_MINUTE_S + every_s) % min(60.0, every_s)

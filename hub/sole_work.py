"""Work that one process does for all services of a shared store: posting to webhooks, and running the bots."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common.errors import StoreBroken, StoreLocked, StoreUnreachable
from common.supervision import Loops

_EVERY_S, _PATIENCE_S = 2.0, 5.0


@contextmanager
def keeping_sole_work(
    keep: Callable[[], object], loops: Loops, lost: Callable[[StoreBroken], object], *, every_s: float = _EVERY_S
) -> Iterator[None]:
    """Make sure every few seconds that the work is still this process's, for the duration of the block.

    ``keep`` is what :meth:`registry.store.protocol.SharedStore.sole` yields. ``lost`` is called once if another process
    has been given the work, as may happen when the server of the store starts again: two must not do it.
    """
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(every_s):
            try:
                keep()
            except StoreUnreachable:
                # Nobody else is given it meanwhile.
                continue
            except StoreLocked as error:
                lost(StoreBroken(f"the connection to the store was lost for a moment, and meanwhile {error}"))
                stop.wait()

    thread = loops.start("sole-work", run, stop)
    try:
        yield
    finally:
        stop.set()
        # A server that hangs holds up the look, and must not hold up the end.
        thread.join(_PATIENCE_S)

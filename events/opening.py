"""Opens the event log that the settings name."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from common.errors import EventServerError
from common.settings import Settings
from common.supervision import Loops
from events.log.redis_log import RedisEventLog
from events.server import BundledServer, connect_to
from registry.store.owner import url_of

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
_LONGEST_PAUSE_S = 60.0


@contextmanager
def open_log(settings: Settings, loops: Loops | None = None, *, must_answer: bool = True) -> Iterator[RedisEventLog]:
    """The log on the server named by ``REDIS_URL``, or on the bundled Valkey, which is started, restarted if it dies (a
    loop of ``loops`` sees to that), and stopped at the end.

    For the process that owns the store. A process that works on another process's store gets that owner's log, as from
    :func:`connect_log`. With ``must_answer=False``, a server that others started may be down or hang: every call to the
    log then fails until it answers. Raises :class:`common.errors.EventServerError`.
    """
    if settings.redis_url is not None or url_of(settings).startswith("http"):
        with connect_log(settings, must_answer=must_answer) as log:
            yield log
        return
    server = BundledServer(settings.data_dir / "events", port=settings.redis_port).start()
    try:
        with closing(server.connect()) as client, _kept_alive(server, loops or Loops()):
            yield RedisEventLog(client)
    finally:
        server.stop()


@contextmanager
def _kept_alive(server: BundledServer, loops: Loops) -> Iterator[None]:
    """Restart the server if it dies while the block runs. Nothing is lost: its file and the store have the events."""
    stop = threading.Event()

    def watch() -> None:
        pause_s = _LOOK_S
        while not stop.wait(pause_s):
            try:
                if server.revive():
                    _log.warning("the event log's server had died; it was started again")
                pause_s = _LOOK_S
            except (EventServerError, OSError) as error:
                # This includes a full disk, on which there may be room again later.
                _log.error("the event log's server died and could not be restarted, trying again later: %s", error)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    thread = loops.start("server-watch", watch, stop)
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def connect_log(settings: Settings, *, must_answer: bool = True) -> Iterator[RedisEventLog]:
    """The log on a server that is already running; nothing is started or stopped.

    Raises :class:`common.errors.EventServerError` if the server does not answer, unless it need not: then its first
    calls fail, each after ten seconds at most.
    """
    if settings.redis_url is not None:
        client = connect_to(settings.redis_url.get_secret_value(), must_answer=must_answer)
    else:
        client = BundledServer(settings.data_dir / "events").connect_running(must_answer=must_answer)
    try:
        yield RedisEventLog(client)
    finally:
        client.close()

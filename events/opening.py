"""The event log that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from events.log import RedisEventLog
from events.server import BundledServer, connect_to
from registry.settings import Settings
from registry.store.owner import url_of


@contextmanager
def open_log(settings: Settings) -> Iterator[RedisEventLog]:
    """The log on the server of ``REDIS_URL``, or on the bundled Valkey, which is started and stopped with it.

    For the process that owns the store. One that works with another's store is given that owner's log, as by
    :func:`connect_log`. Raises :class:`registry.errors.EventServerError`.
    """
    if settings.redis_url is not None or url_of(settings).startswith("http"):
        with connect_log(settings) as log:
            yield log
        return
    server = BundledServer(settings.data_dir / "events", port=settings.redis_port).start()
    try:
        client = server.connect()
        try:
            yield RedisEventLog(client)
        finally:
            client.close()
    finally:
        server.stop()


@contextmanager
def connect_log(settings: Settings) -> Iterator[RedisEventLog]:
    """The log on a server that runs: nothing is started, and nothing is stopped.

    Raises :class:`registry.errors.EventServerError` when it does not answer.
    """
    if settings.redis_url is not None:
        client = connect_to(settings.redis_url.get_secret_value())
    else:
        client = BundledServer(settings.data_dir / "events").connect_running()
    try:
        yield RedisEventLog(client)
    finally:
        client.close()

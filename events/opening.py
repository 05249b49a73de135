"""The event log that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from events.log import RedisEventLog
from events.server import BundledServer, connect_to
from registry.settings import Settings


@contextmanager
def open_log(settings: Settings) -> Iterator[RedisEventLog]:
    """The log on the server of ``REDIS_URL``, or on the bundled Valkey, which is started and stopped with it.

    Raises :class:`registry.errors.EventServerError`.
    """
    if settings.redis_url is not None:
        server = None
        client = connect_to(settings.redis_url.get_secret_value())
    else:
        server = BundledServer(settings.data_dir / "events", port=settings.redis_port).start()
        client = server.connect()
    try:
        yield RedisEventLog(client)
    finally:
        client.close()
        if server is not None:
            server.stop()

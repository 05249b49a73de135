"""The process that only fetches candles: for workers on other machines, which judge what is in the store they share."""

import signal
import threading
from collections.abc import Callable

from common.clock import SystemClock
from common.errors import ServiceError
from common.settings import Settings
from common.supervised import make_folder
from flows.ingest import Ingest
from hub.alone import alone
from registry.store import open_configured


def keep_candles(settings: Settings, announce: Callable[[str], object]) -> None:
    """Fetch what conditions and bots read from its exchanges until SIGTERM or Ctrl-C. ``announce`` gets a message once
    it does.

    Raises :class:`ServiceError` if the data folder has an ingest already, and what opening the store raises.
    """
    make_folder(settings.data_dir, ServiceError)
    stop, clock = threading.Event(), SystemClock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (
        alone(settings.data_dir, "ingest"),
        open_configured(settings) as store,
        Ingest(store, clock, settings),
    ):
        announce("Fetching the candles that conditions read from their exchanges; Ctrl-C stops it")
        stop.wait()

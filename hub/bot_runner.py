"""The process that runs bots: a consumer of triggers, and the executor, until it is told to stop."""

import signal
import threading
from collections.abc import Callable

from bots.brokers.accounts import ExchangeAccounts
from bots.executor.consuming import executing
from common.clock import SystemClock
from common.errors import ServiceError
from common.settings import Settings
from common.supervised import make_folder
from events.consuming.current_truths import StoreTruthSource
from events.opening import connect_log
from hub.alone import alone
from registry.store import open_configured
from registry.store.owner import url_of


def run_bots(settings: Settings, announce: Callable[[str], object]) -> None:
    """Run the bots of a data folder until SIGTERM or Ctrl-C. ``announce`` gets a message once it is ready.

    Works on the store through the service of the folder, or beside it on one in Postgres. Raises :class:`ServiceError`
    if no service runs there, or the folder's bots are run already, and what opening store and event log raises.
    """
    make_folder(settings.data_dir, ServiceError)
    if url_of(settings).startswith("duckdb:"):
        raise ServiceError(
            f"no hub serves {settings.data_dir}, and bots are run through one; `hub up` starts it, and runs them itself"
        )
    stop, clock = threading.Event(), SystemClock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    accounts = ExchangeAccounts(settings, clock)
    with (
        alone(settings.data_dir, "bots"),
        open_configured(settings) as store,
        connect_log(settings, must_answer=False) as log,
        executing(
            store,
            log,
            settings.data_dir,
            clock,
            open_broker=accounts.broker,
            truths=StoreTruthSource(store, clock),
        ),
    ):
        announce(f"Running {store.bots.active_count()} bots; Ctrl-C stops it")
        stop.wait()

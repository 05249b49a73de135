"""A consumer in a process of its own, which a test can kill."""

import os
import signal
from pathlib import Path

import pandas  # noqa: F401 (DuckDB imports it with the first parameter; here it is imported before the fork)
import pyarrow.dataset  # noqa: F401 (so does a frame that is read by DuckDB)
import redis

from common import failpoints
from common.clock import SystemClock
from events.consuming.consumer import Consumer
from events.consuming.delivery import Delivery
from events.consuming.ledger import Ledger
from events.log.redis_log import RedisEventLog
from registry.store.files.file_store import FileStore


def consume(store_path: Path, socket: Path, ledger_path: Path, *, kill: str = "", failpoint: str = "") -> None:
    """Append ``seq:bot`` to a file for each effect, through the ledger, until no more events come.

    ``kill`` makes the handler end the process at the delivery of that ``seq`` to the bot ``bad``.
    """
    failpoints.arm(failpoint)
    effects = ledger_path.parent / "effects"

    def order(text: str) -> None:
        with effects.open("a") as file:
            file.write(f"{text}\n")

    def is_there(text: str) -> bool:
        return effects.exists() and text in effects.read_text().split()

    def handle(delivery: Delivery) -> None:
        if kill == str(delivery.event.seq) and delivery.subscription.bot_id == "bad":
            os.kill(os.getpid(), signal.SIGKILL)
        ledger.perform(f"{delivery.event.seq}:{delivery.subscription.bot_id}", order, confirm=is_there)

    client = redis.Redis(unix_socket_path=str(socket), legacy_responses=True)
    with FileStore(store_path) as store, Ledger(ledger_path) as ledger:
        log = RedisEventLog(client)
        consumer = Consumer("bots", log, store, ledger, handle, SystemClock(), start=0, retry_after_s=(0.0, 0.0))
        while consumer.step(wait_ms=50):
            pass
    client.close()

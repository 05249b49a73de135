"""A consumer in a process of its own: ``consumer_process.py STORE SOCKET LEDGER [kill=SEQ] [failpoint=POINT]``.

Appends ``seq:bot`` to a file for each effect, through the ledger, and ends when nothing comes any more. ``kill`` lets
the handler end the process at the delivery of a ``seq`` to the bot ``bad``.
"""

import os
import signal
import sys
from pathlib import Path

import redis

from events.consumer import Consumer
from events.delivery import Delivery
from events.ledger import Ledger
from events.log import RedisEventLog
from registry import failpoints
from registry.clock import SystemClock
from registry.store.file_store import FileStore


def main(store_path: str, socket: str, ledger_path: str, *more: str) -> None:
    options = dict(word.split("=", 1) for word in more)
    failpoints.arm(options.get("failpoint", ""))
    effects = Path(ledger_path).parent / "effects"

    def order(text: str) -> None:
        with effects.open("a") as file:
            file.write(f"{text}\n")

    def is_there(text: str) -> bool:
        return effects.exists() and text in effects.read_text().split()

    def handle(delivery: Delivery) -> None:
        if options.get("kill") == str(delivery.event.seq) and delivery.subscription.bot_id == "bad":
            os.kill(os.getpid(), signal.SIGKILL)
        ledger.perform(f"{delivery.event.seq}:{delivery.subscription.bot_id}", order, confirm=is_there)

    client = redis.Redis(unix_socket_path=socket, legacy_responses=True)
    with FileStore(Path(store_path)) as store, Ledger(ledger_path) as ledger:
        log = RedisEventLog(client)
        consumer = Consumer("bots", log, store, ledger, handle, SystemClock(), start=0, retry_after_s=(0.0, 0.0))
        while consumer.step(wait_ms=50):
            pass
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

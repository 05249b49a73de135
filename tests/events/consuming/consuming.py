"""Consumers as tests run them, and a handler that remembers what it got and refuses on demand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.clock import Clock
from events.consuming.consumer import Consumer
from events.consuming.delivery import Delivery
from events.consuming.ledger import Ledger
from events.log.redis_log import RedisEventLog
from registry.store.protocol import Store

Got = tuple[int, str]
"""``seq`` and bot."""


class Bots:
    """A handler that remembers; ``refuse`` says which deliveries it refuses."""

    def __init__(self, refuse: Callable[[Delivery], bool] = lambda _: False) -> None:
        self.deliveries: list[Delivery] = []
        self.attempts: list[str] = []
        self.refuse = refuse

    def __call__(self, delivery: Delivery) -> None:
        self.attempts.append(delivery.delivery_id)
        if self.refuse(delivery):
            raise ValueError("api_key=hunter2 is not allowed to trade")
        self.deliveries.append(delivery)

    @property
    def got(self) -> list[Got]:
        return [(delivery.event.seq, delivery.subscription.bot_id) for delivery in self.deliveries]

    def seqs(self, bot: str = "") -> list[int]:
        """What one bot got, or all of them."""
        return [seq for seq, name in self.got if bot in ("", name)]


@contextmanager
def consuming(
    store: Store,
    log: RedisEventLog,
    path: Path,
    handler: Callable[[Delivery], object],
    clock: Clock,
    *,
    name: str = "bots",
    start: int | None = 0,
    retry_after_s: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0),
    **options: Any,
) -> Iterator[Consumer]:
    """A consumer with its ledger."""
    with Ledger(path) as ledger:
        yield Consumer(name, log, store, ledger, handler, clock, start=start, retry_after_s=retry_after_s, **options)


def settle(consumer: Consumer) -> None:
    """Run rounds until no more events come."""
    idle = 0
    while idle < 2:
        idle = 0 if consumer.step(wait_ms=1) else idle + 1

"""The executor in its process: a consumer that fills the inbox, and the loop that empties it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bots.arithmetic import decimal_of
from bots.executor.executor import PATIENCE_S, Executor
from bots.executor.inbox import Inbox, NewTrigger
from bots.executor.registered import OpenBroker, RegisteredBots
from bots.executor.report import Reporting
from common import failpoints
from common.clock import Clock
from common.supervision import Loops
from events.consuming.consumer import Consumer
from events.consuming.delivery import Delivery, TruthSource
from events.consuming.ledger import Ledger
from events.log.redis_log import RedisEventLog
from registry.store.parts.registry import StoredSubscription
from registry.store.protocol import Store

CONSUMER = "bots"
"""Name of the consumer, of its group and of its dead letters."""

_LOOK_S = 1.0


class BotTriggers:
    """Accepts deliveries as a :class:`events.consuming.delivery.Handler`, and puts those to bots of the hub into the
    inbox. They are gathered in memory until :meth:`flush`, which has to be called before they count as accepted."""

    def __init__(self, bots: RegisteredBots, inbox: Inbox, wake: threading.Event) -> None:
        self._bots = bots
        self._inbox = inbox
        self._wake = wake
        self._gathered: list[NewTrigger] = []

    def __call__(self, delivery: Delivery) -> None:
        number = self._number_of(delivery.subscription)
        if number is not None:
            event = delivery.event
            self._gathered.append(
                NewTrigger(number, delivery.delivery_id, event.condition_id, event.close_time, decimal_of(event.price))
            )

    def flush(self) -> None:
        """Write what was gathered into the inbox, in one transaction."""
        if self._gathered:
            failpoints.reach("before_inbox")
            self._inbox.put(self._gathered)
            self._gathered.clear()
            self._wake.set()
            failpoints.reach("after_inbox")

    def is_for(self, subscription: StoredSubscription) -> bool:
        """Whether deliveries for a subscription go to a bot of the hub."""
        return self._number_of(subscription) is not None

    def _number_of(self, subscription: StoredSubscription) -> int | None:
        return self._bots.number_of(subscription.user_id, subscription.bot_id, subscription.change)


@contextmanager
def executing(
    store: Store,
    log: RedisEventLog,
    folder: Path,
    clock: Clock,
    *,
    open_broker: OpenBroker,
    truths: TruthSource | None = None,
    loops: Loops | None = None,
    patience_s: float = PATIENCE_S,
) -> Iterator[Inbox]:
    """Run the bots of a store while the block runs, in threads that are supervised with ``loops``.

    ``folder`` has the inbox, and the executor's report (:mod:`bots.executor.report`). ``open_broker`` opens accounts
    other than paper. ``truths`` knows what is TRUE right now, for bots that begin the next deal if their condition
    still is. Yields the inbox.
    """
    stop, wake, loops = threading.Event(), threading.Event(), loops or Loops()
    with Ledger(folder / "bots.ledger", now_ms=clock.now_ms) as ledger:
        inbox = Inbox(ledger)
        current: list[Consumer] = []
        reporting = Reporting(folder, loops)
        # Kept when the loop begins again: what fired before it failed is consumed as well. Bots that are there already
        # may have been made while nobody ran them, so everything since then is theirs.
        has_bots = store.bots.active_count() > 0
        seq = 0 if has_bots else store.triggers.last_seq()
        change = 0 if has_bots else store.registry.last_change()

        def take() -> None:
            nonlocal seq, change
            # As long as there are no bots, no events are expanded for them.
            while not store.bots.active_count():
                before = store.triggers.last_seq(), store.registry.last_change()
                if store.bots.active_count() == 0:
                    # From before a look that found none.
                    seq, change = before
                if stop.wait(_LOOK_S):
                    return
            # A new one each time: what the one before decided and could not record is decided again.
            triggers = BotTriggers(RegisteredBots(store, open_broker), inbox, wake)
            consumer = Consumer(
                CONSUMER,
                log,
                store,
                ledger,
                triggers,
                clock,
                truths=truths,
                start=seq,
                start_change=change,
                flush=triggers.flush,
                is_for=triggers.is_for,
            )
            current[:] = [consumer]
            consumer.run(stop)

        def act() -> None:
            def applied() -> int:
                return current[0].recorded_seq if current else 0

            def rearm(user_id: str, bot_id: str, condition_id: str) -> None:
                if current:
                    current[0].rearm(user_id, bot_id, condition_id)

            executor = Executor(
                store, inbox, clock, applied=applied, open_broker=open_broker, rearm=rearm, patience_s=patience_s
            )
            reporting.follow(executor.report)
            executor.run(stop, wake)

        def report() -> None:
            reporting.run(stop)

        threads = [loops.start(f"bots-{work.__name__}", work, stop) for work in (take, act, report)]
        try:
            yield inbox
        finally:
            stop.set()
            wake.set()
            for thread in threads:
                thread.join()

"""Webhooks: a dedicated consumer puts deliveries into an outbox, and a sender posts them, signed.

Each webhook gets its deliveries in order. One that fails is retried with growing pauses, and later ones wait behind it;
other webhooks are not held up. After a crash a delivery may be repeated, with the same id.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from common import failpoints, webhook_signature
from common.clock import Clock
from common.errors import WebhookError
from events import metrics
from events.consuming.consumer import Consumer
from events.consuming.delivery import Delivery
from events.consuming.ledger import Ledger
from events.log.redis_log import RedisEventLog
from events.webhooks.outbox import Outbox, Parcel
from events.webhooks.public_post import post
from registry.store.parts.delivery import Webhook
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

CONSUMER = "webhooks"
"""Name of the consumer, of its group and of its dead letters."""

PAUSES_S = (5.0, 30.0, 120.0, 600.0, 3_600.0, 10_800.0, 21_600.0)
"""Pauses before the second to the eighth attempt, half a day in all. After that a delivery is given up."""

MOST_DEAD_IN_A_ROW = 3
"""A webhook is paused after this many deliveries in a row were given up; its user can resume it."""

_THREADS = 32
_AT_ONCE = 100
_LOOK_S = 1.0
_TROUBLE_S = 30.0
_PAUSED_LOOK_MS = 5_000
_TIDY_MS = 3_600_000
_KEPT_MS = 30 * 24 * 3_600_000
_GONE = 410


class Webhooks:
    """Accepts deliveries as a :class:`events.consuming.delivery.Handler`, and sends them."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        *,
        allow_loopback: bool = False,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._store = store
        self._outbox = Outbox(ledger)
        self._clock = clock
        self._allow_loopback = allow_loopback
        self._pauses_ms = [int(pause_s * 1000) for pause_s in pauses_s]
        self._dead_in_a_row: Counter[str] = Counter()
        self._busy: set[str] = set()
        self._wake = threading.Event()

    @property
    def outbox(self) -> Outbox:
        """The deliveries that are on their way."""
        return self._outbox

    def __call__(self, delivery: Delivery) -> None:
        subscription, event = delivery.subscription, delivery.event
        for webhook in self._store.delivery.webhooks(subscription.user_id):
            if webhook.state != "active" or webhook.bot_id not in (None, subscription.bot_id):
                continue
            if 0 < event.seq <= webhook.from_seq:
                continue
            body = {
                "delivery_id": delivery.delivery_id,
                "occasion": delivery.occasion,
                "bot_id": subscription.bot_id,
                "event": event,
            }
            self._outbox.put(webhook.webhook_id, delivery.delivery_id, msgspec.json.encode(body))
            self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop."""
        with ThreadPoolExecutor(_THREADS, "webhook") as threads:
            tidied_ms: int | None = None
            while not stop.is_set():
                self._wake.clear()
                now_ms = self._clock.now_ms()
                if tidied_ms is None or now_ms - tidied_ms > _TIDY_MS:
                    self._outbox.forget_before(now_ms - _KEPT_MS)
                    tidied_ms = now_ms
                pause_s = _LOOK_S
                for webhook_id, due_ms in self._outbox.firsts():
                    left_ms = due_ms - self._clock.now_ms()
                    if left_ms > 0:
                        pause_s = min(pause_s, left_ms / 1000)
                    elif webhook_id not in self._busy:
                        self._busy.add(webhook_id)
                        threads.submit(self._serve, webhook_id, stop)
                self._wake.wait(pause_s)

    def _serve(self, webhook_id: str, stop: threading.Event) -> None:
        """Send the waiting deliveries of one webhook, up to the first failure."""
        try:
            for parcel in self._outbox.waiting(webhook_id, _AT_ONCE):
                webhook = self._store.delivery.webhook(webhook_id)
                if webhook is None or webhook.state == "ended":
                    self._outbox.drop(webhook_id)
                    return
                if webhook.state == "paused":
                    self._outbox.postpone(parcel, self._clock.now_ms() + _PAUSED_LOOK_MS)
                    return
                if stop.is_set() or not self._send(webhook, parcel):
                    return
        except Exception:
            # One webhook's trouble must not affect others; its address and its secret must not reach the log.
            _log.error("deliveries to webhook %s could not be processed, trying again later", webhook_id)
            # Without a pause, a delivery that cannot be marked as sent, as on a full disk, would be sent over and over.
            stop.wait(_TROUBLE_S)
        finally:
            self._busy.discard(webhook_id)
            self._wake.set()

    def _send(self, webhook: Webhook, parcel: Parcel) -> bool:
        headers = webhook_signature.headers(
            webhook.secret, self._clock.now_ms() // 1000, parcel.delivery_id, parcel.body
        )
        fixed = {"Content-Type": "application/json", "User-Agent": "condition-hub"}
        failpoints.reach("before_post")
        try:
            status = post(webhook.url, {**fixed, **headers}, parcel.body, allow_loopback=self._allow_loopback)
        except WebhookError as error:
            status, reason = 0, str(error)
        else:
            reason = f"status {status}"
        failpoints.reach("after_post")
        if 200 <= status < 300:
            self._outbox.settle(parcel)
            self._dead_in_a_row.pop(webhook.webhook_id, None)
            metrics.WEBHOOKS_SENT.inc()
            return True
        metrics.WEBHOOKS_FAILED.inc()
        is_last = parcel.attempts >= len(self._pauses_ms)
        due_ms = None if is_last else self._clock.now_ms() + self._pauses_ms[parcel.attempts]
        self._outbox.note_failure(parcel, due_ms, reason)
        self._dead_in_a_row[webhook.webhook_id] += is_last
        if status == _GONE or self._dead_in_a_row[webhook.webhook_id] >= MOST_DEAD_IN_A_ROW:
            self._dead_in_a_row.pop(webhook.webhook_id, None)
            self._store.delivery.set_webhook_state(webhook.webhook_id, "paused", at_ms=self._clock.now_ms())
            _log.warning("webhook %s was paused: %s", webhook.webhook_id, reason)
        return False


@contextmanager
def sending(
    store: Store, log: RedisEventLog, ledger_path: Path, clock: Clock, *, allow_loopback: bool = False
) -> Iterator[Webhooks]:
    """Accept deliveries to webhooks and send them, in threads, while the block runs."""
    stop = threading.Event()
    with Ledger(ledger_path, now_ms=clock.now_ms) as ledger:
        webhooks = Webhooks(store, ledger, clock, allow_loopback=allow_loopback)

        def take() -> None:
            # As long as there are no webhooks, no events are expanded for them.
            while not (hooks := store.delivery.webhooks()):
                if stop.wait(_LOOK_S):
                    return
            first = min(hook.from_seq for hook in hooks)
            Consumer(CONSUMER, log, store, ledger, webhooks, clock, start=first).run(stop)

        threads = [
            threading.Thread(target=take, name="webhooks-take"),
            threading.Thread(target=webhooks.run, args=(stop,), name="webhooks-send"),
        ]
        for thread in threads:
            thread.start()
        try:
            yield webhooks
        finally:
            stop.set()
            for thread in threads:
                thread.join()

"""Webhooks: a dedicated consumer puts deliveries into an outbox, and a sender posts them, signed.

Each webhook gets its deliveries in order. One that fails is retried with growing pauses, and later ones wait behind it;
other webhooks are not held up. A receiver that takes no more posts for now is asked again when it says. After a crash a
delivery may be repeated, with the same id.

Nobody waits for the webhooks of somebody else: users take turns and have a share of the threads each
(:mod:`events.webhooks.sending_shares`), an attempt has one deadline (:mod:`events.webhooks.public_post`), and what
waits for a user's webhooks has a limit in bytes.
"""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from common import failpoints, webhook_signature
from common.clock import Clock
from common.errors import TemplateError, WebhookError
from common.supervision import Loops
from events import metrics
from events.consuming.consumer import Consumer
from events.consuming.delivery import Delivery, TruthSource
from events.consuming.ledger import Ledger
from events.log.redis_log import RedisEventLog
from events.webhooks.notices import put_notices
from events.webhooks.outbox import NewParcel, Outbox, Parcel
from events.webhooks.posts import JSON, FilledPost, filled, post_of, standard_body, values_of
from events.webhooks.public_post import PostAnswer, post
from events.webhooks.sending_shares import SendingShares
from registry.store.parts.delivery import Webhook
from registry.store.parts.registry import StoredSubscription
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

CONSUMER = "webhooks"
"""Name of the consumer, of its group and of its dead letters."""

PAUSES_S = (5.0, 30.0, 120.0, 600.0, 3_600.0, 10_800.0, 21_600.0)
"""Pauses before the second to the eighth attempt, half a day in all. After that a delivery is given up."""

MOST_DEAD_IN_A_ROW = 3
"""A webhook is paused after this many deliveries in a row were given up; its user can resume it."""

BACKLOG_BYTES = 64 << 20
"""What may wait for all webhooks of a user."""

_THREADS = 64
_THREADS_OF_USER = 4
_SLOW_THREADS = 32
_SLOW_S = 2.0
"""A webhook whose server took this long shares threads with those that failed."""
_TURN_S = 2.0
"""After this long, others have their turn."""
_AT_ONCE = 100
_PUT_AT_ONCE = 1_000
_LOOK_S = 1.0
_TROUBLE_MS = 30_000
_PAUSED_LOOK_MS = 5_000
_TIDY_MS = 3_600_000
_KEPT_MS = 24 * 3_600_000
_GONE = 410
_TOO_MANY = 429
_UNAVAILABLE = 503
_FIRST_TURN_S = 1.0
_LONGEST_TURN_S = 60.0
"""Waits for a receiver that takes no more posts and does not say for how long; they double."""
_LONGEST_ASKED_S = 3_600.0
"""The longest that a receiver may ask for."""
_STARTING_S = 3.0

_PauseReason = Literal["gone", "failing", "backlog"]
_Outcome = Literal["accepted", "put off", "failed"]


class Webhooks:
    """Accepts deliveries as a :class:`events.consuming.delivery.Handler`, and sends them.

    Deliveries are gathered in memory; :meth:`flush` writes them in one transaction, and must be called before they
    count as accepted.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        *,
        allow_loopback: bool = False,
        pauses_s: Sequence[float] = PAUSES_S,
        backlog_bytes: int = BACKLOG_BYTES,
    ) -> None:
        self._store = store
        self._outbox = Outbox(ledger)
        self._clock = clock
        self._allow_loopback = allow_loopback
        self._pauses_ms = [int(pause_s * 1000) for pause_s in pauses_s]
        self._backlog_bytes = backlog_bytes
        self._dead_in_a_row: Counter[str] = Counter()
        self._put_off_in_a_row: Counter[str] = Counter()
        self._share = _fair_share()
        self._gathered: list[NewParcel] = []
        self._gathering = threading.RLock()
        self._wake = threading.Event()
        self._tidied_ms: int | None = None
        self._rearm: Callable[[str, str, str], None] | None = None
        self._can_rearm = threading.Event()

    @property
    def outbox(self) -> Outbox:
        """The deliveries that are on their way."""
        return self._outbox

    def __call__(self, delivery: Delivery) -> None:
        subscription, event = delivery.subscription, delivery.event
        encoded: bytes | None = None
        backlog: Mapping[str, int] | None = None
        for webhook in self._active(subscription.user_id, subscription.bot_id):
            if 0 < event.seq <= webhook.from_seq:
                continue
            backlog = backlog or self._backlog(subscription.user_id)
            if self._is_overfull(webhook, backlog):
                self._pause(webhook, "backlog", "too much waits for its user's webhooks")
                continue
            encoded = encoded or standard_body(delivery.delivery_id, delivery.occasion, subscription.bot_id, event)
            with self._gathering:
                self._gathered.append(NewParcel(webhook.webhook_id, delivery.delivery_id, encoded))
            self._wake.set()
        if len(self._gathered) >= _PUT_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered into the outbox, in one transaction. Thread-safe."""
        with self._gathering:
            if not self._gathered:
                return
            self._outbox.put(self._gathered, self._clock.now_ms())
            webhook_ids = {parcel.webhook_id for parcel in self._gathered}
            self._gathered.clear()
        for webhook_id in webhook_ids:
            self._offer(webhook_id)
        self._wake.set()

    def is_for(self, subscription: StoredSubscription) -> bool:
        """Whether deliveries for a subscription go to any webhook."""
        return bool(self._active(subscription.user_id, subscription.bot_id))

    def rearm(self, user_id: str, bot_id: str, condition_id: str) -> None:
        """Say that a bot is ready again: its webhooks get a delivery if the condition is still TRUE. Thread-safe.

        On disk when it returns. Raises :class:`WebhookError` while the consumer is not running.
        """
        if not self._active(user_id, bot_id):
            return
        if not self._can_rearm.wait(_STARTING_S) or self._rearm is None:
            raise WebhookError(
                "the hub does not deliver to webhooks at the moment; repeat the request in a few seconds"
            )
        self._rearm(user_id, bot_id, condition_id)

    def rearm_with(self, rearm: Callable[[str, str, str], None]) -> None:
        """Pass on what :meth:`rearm` is told to a consumer."""
        self._rearm = rearm
        self._can_rearm.set()

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop. Attempts under way then are aborted, and made again after the next start.

        Raises what keeps the outbox from being written, such as a full disk. What was gathered is kept; run it again.
        """
        # A new one each time: nothing is left of turns that were given out and could not begin.
        self._share = _fair_share()
        for webhook_id, _ in self._outbox.firsts():
            self._offer(webhook_id)
        with ThreadPoolExecutor(_THREADS, "webhook") as threads:
            while not stop.is_set():
                self._wake.clear()
                self._tidy()
                self.flush()
                while (following := self._share.take(self._clock.now_ms())) is not None:
                    threads.submit(self._serve, following, stop)
                due_ms = self._share.next_due_ms()
                left_s = _LOOK_S if due_ms is None else (due_ms - self._clock.now_ms()) / 1000
                self._wake.wait(min(_LOOK_S, max(0.0, left_s)))

    def _tidy(self) -> None:
        """Once an hour: forget old marks."""
        now_ms = self._clock.now_ms()
        if self._tidied_ms is None or now_ms - self._tidied_ms > _TIDY_MS:
            self._outbox.forget_before(now_ms - _KEPT_MS)
            self._tidied_ms = now_ms

    def _active(self, user_id: str, bot_id: str) -> list[Webhook]:
        """The webhooks that a bot's deliveries go to."""
        return [
            webhook
            for webhook in self._store.delivery.webhooks(user_id)
            if webhook.state == "active" and webhook.bot_id in (None, bot_id)
        ]

    def _offer(self, webhook_id: str) -> None:
        """Have a webhook served that has something waiting."""
        backlog = self._outbox.backlog(webhook_id)
        if backlog.deliveries:
            webhook = self._store.delivery.webhook(webhook_id)
            self._share.offer(webhook_id, webhook.user_id if webhook else "", backlog.due_ms)

    def _backlog(self, user_id: str) -> dict[str, int]:
        """A user's webhooks, with the bytes that wait for each."""
        return {
            one.webhook_id: self._outbox.backlog(one.webhook_id).bytes
            for one in self._store.delivery.webhooks(user_id)
            if one.state != "ended"
        }

    def _is_overfull(self, webhook: Webhook, backlog: Mapping[str, int]) -> bool:
        """Whether a webhook has used up what may wait for its user: all of it together, and its part of it."""
        part = self._backlog_bytes // max(1, len(backlog))
        return sum(backlog.values()) >= self._backlog_bytes and backlog.get(webhook.webhook_id, 0) >= part

    def _serve(self, webhook_id: str, stop: threading.Event) -> None:
        """A webhook's turn."""
        slow: bool | None = True
        try:
            slow = self._take_turn(webhook_id, stop)
        except Exception as error:
            # One webhook's trouble must not affect others; its address and its secret must not reach the log.
            _log.error(
                "deliveries to webhook %s could not be processed (%s), trying again later",
                webhook_id,
                type(error).__name__,
            )
            # Without a pause, a delivery that cannot be marked as sent, as on a full disk, would be sent over and over.
            self._outbox.postpone(webhook_id, self._clock.now_ms() + _TROUBLE_MS)
        finally:
            self._share.done(webhook_id, slow=slow)
            self._offer(webhook_id)
            self._wake.set()

    def _take_turn(self, webhook_id: str, stop: threading.Event) -> bool | None:
        """Send waiting deliveries of a webhook, up to the first failure.

        Returns whether it was slow; ``None`` if it has ended.
        """
        began_s = time.monotonic()
        for parcel in self._outbox.waiting(webhook_id, _AT_ONCE):
            webhook = self._store.delivery.webhook(webhook_id)
            if webhook is None or webhook.state == "ended":
                self._outbox.drop(webhook_id)
                self._dead_in_a_row.pop(webhook_id, None)
                self._put_off_in_a_row.pop(webhook_id, None)
                return None
            if webhook.state == "paused":
                self._outbox.postpone(webhook_id, self._clock.now_ms() + _PAUSED_LOOK_MS)
                return False
            attempt_s = time.monotonic()
            outcome = "failed" if stop.is_set() else self._send(webhook, parcel, stop)
            if outcome != "accepted":
                return outcome == "failed"
            now_s = time.monotonic()
            if now_s - attempt_s > _SLOW_S:
                return True
            if now_s - began_s > _TURN_S:
                return False
        return False

    def _send(self, webhook: Webhook, parcel: Parcel, stop: threading.Event) -> _Outcome:
        failpoints.reach("before_post")
        answer, reason = PostAnswer(0), ""
        try:
            if parcel.is_notice and webhook.template is not None:
                # Its receiver wants what fires, in a form of its own: it was given this one after the notice.
                self._outbox.settle(parcel)
                return "accepted"
            filled_post = self._filled(webhook, parcel)
            headers = webhook_signature.headers(
                webhook.secret, self._clock.now_ms() // 1000, parcel.delivery_id, filled_post.body
            )
            answer = post(
                filled_post.url,
                {
                    "User-Agent": "condition-hub",
                    "Content-Type": filled_post.media_type,
                    **filled_post.headers,
                    **headers,
                },
                filled_post.body,
                allow_loopback=self._allow_loopback,
                aborted=stop.is_set,
            )
        except (WebhookError, TemplateError) as error:
            if stop.is_set():
                return "failed"
            reason = str(error)
        except Exception as error:
            reason = f"it could not be posted ({type(error).__name__})"
        failpoints.reach("after_post")
        return self._note(webhook, parcel, answer, reason or f"status {answer.status}")

    def _filled(self, webhook: Webhook, parcel: Parcel) -> FilledPost:
        own = post_of(webhook)
        if own is None:
            return FilledPost(webhook.url, {}, JSON, parcel.body)
        return filled(own, values_of(parcel.body, self._store))

    def _note(self, webhook: Webhook, parcel: Parcel, answer: PostAnswer, reason: str) -> _Outcome:
        """Record the answer to an attempt, or why there was none."""
        status = answer.status
        # A receiver that does not know notices must not have its triggers wait behind one.
        if 200 <= status < 300 or (parcel.is_notice and status not in (0, _GONE, _TOO_MANY)):
            self._outbox.settle(parcel)
            self._dead_in_a_row.pop(webhook.webhook_id, None)
            self._put_off_in_a_row.pop(webhook.webhook_id, None)
            metrics.WEBHOOKS_SENT.inc()
            return "accepted"
        if status == _TOO_MANY or (status == _UNAVAILABLE and answer.retry_after_s is not None):
            self._put_off(webhook, answer.retry_after_s)
            return "put off"
        metrics.WEBHOOKS_FAILED.inc()
        is_last = parcel.attempts >= len(self._pauses_ms)
        due_ms = None if is_last else self._clock.now_ms() + self._pauses_ms[parcel.attempts]
        self._outbox.note_failure(parcel, due_ms, reason)
        self._dead_in_a_row[webhook.webhook_id] += is_last
        if status == _GONE or self._dead_in_a_row[webhook.webhook_id] >= MOST_DEAD_IN_A_ROW:
            self._dead_in_a_row.pop(webhook.webhook_id, None)
            self._pause(webhook, "gone" if status == _GONE else "failing", reason)
        return "failed"

    def _put_off(self, webhook: Webhook, asked_s: float | None) -> None:
        """Wait as long as a receiver asks that is there and takes no more for now. That is no failed attempt."""
        self._put_off_in_a_row[webhook.webhook_id] += 1
        turns = self._put_off_in_a_row[webhook.webhook_id] - 1
        wait_s = asked_s or _FIRST_TURN_S * 2.0 ** min(turns, 10)
        longest_s = _LONGEST_ASKED_S if asked_s else _LONGEST_TURN_S
        metrics.WEBHOOKS_PUT_OFF.inc()
        self._outbox.postpone(webhook.webhook_id, self._clock.now_ms() + math.ceil(min(wait_s, longest_s) * 1000))

    def _pause(self, webhook: Webhook, why: _PauseReason, reason: str) -> None:
        self._store.delivery.set_webhook_state(webhook.webhook_id, "paused", at_ms=self._clock.now_ms())
        metrics.WEBHOOKS_PAUSED.labels(why).inc()
        _log.warning("webhook %s was paused: %s", webhook.webhook_id, reason)


def _fair_share() -> SendingShares:
    return SendingShares(most=_THREADS, most_of_user=_THREADS_OF_USER, most_slow=_SLOW_THREADS)


@contextmanager
def sending(
    store: Store,
    log: RedisEventLog,
    ledger_path: Path,
    clock: Clock,
    *,
    allow_loopback: bool = False,
    truths: TruthSource | None = None,
    backlog_bytes: int = BACKLOG_BYTES,
    loops: Loops | None = None,
) -> Iterator[Webhooks]:
    """Accept deliveries to webhooks and send them while the block runs, in threads that are supervised with ``loops``.

    ``truths`` knows what is TRUE right now, for subscriptions that want to be told without a trigger. At the end, sends
    under way are aborted; they are made again after the next start, with the same ids.
    """
    stop, loops = threading.Event(), loops or Loops()
    with Ledger(ledger_path, now_ms=clock.now_ms) as ledger:
        webhooks = Webhooks(store, ledger, clock, allow_loopback=allow_loopback, backlog_bytes=backlog_bytes)
        # Kept when the loop begins again: those who subscribed before it failed are greeted as well.
        change = before = store.registry.last_change()

        def take() -> None:
            nonlocal change, before
            put_notices(store, webhooks.outbox, clock)
            # As long as there are no webhooks, no events are expanded for them.
            while not (hooks := store.delivery.webhooks()):
                # From before a look that found none: whoever subscribes right after making the first one is greeted.
                change, before = before, store.registry.last_change()
                if stop.wait(_LOOK_S):
                    return
            # A new one each time: what the one before decided and could not record is decided again.
            consumer = Consumer(
                CONSUMER,
                log,
                store,
                ledger,
                webhooks,
                clock,
                truths=truths,
                forget_user=webhooks.outbox.forget_user,
                start=min(hook.from_seq for hook in hooks),
                start_change=change,
                flush=webhooks.flush,
                is_for=webhooks.is_for,
            )
            webhooks.rearm_with(consumer.rearm)
            consumer.run(stop)

        threads = [
            loops.start("webhooks-take", take, stop),
            loops.start("webhooks-send", lambda: webhooks.run(stop), stop),
        ]
        try:
            yield webhooks
        finally:
            stop.set()
            for thread in threads:
                thread.join()

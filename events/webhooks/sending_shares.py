"""Which webhook is served next: users take turns, and those whose servers are slow leave threads to the others."""

import heapq
import threading
from collections import Counter, deque


class SendingShares:
    """The webhooks that have something to send, each at most once. Thread-safe.

    A user has at most ``most_of_user`` threads at once. Webhooks that were slow or failed last time together have at
    most ``most_slow``: however many of them there are and whoever they belong to, the other threads serve those that
    answer.
    """

    def __init__(self, *, most: int, most_of_user: int, most_slow: int) -> None:
        self._most = most
        self._most_of_user = most_of_user
        self._most_slow = most_slow
        self._lock = threading.Lock()
        self._user: dict[str, str] = {}
        """Webhook -> user, of all that are known here: later, ready or being served."""
        self._later: list[tuple[int, str]] = []
        self._ready: dict[bool, dict[str, deque[str]]] = {False: {}, True: {}}
        """Whether they are slow -> user, whose turn is next first -> webhooks."""
        self._served: dict[str, bool] = {}
        """Webhook -> whether it was slow when its turn began."""
        self._served_of: Counter[str] = Counter()
        self._slow: set[str] = set()

    def offer(self, webhook_id: str, user_id: str, due_ms: int) -> None:
        """A webhook has something to send from then on. Does nothing if it is known already."""
        with self._lock:
            if webhook_id not in self._user:
                self._user[webhook_id] = user_id
                heapq.heappush(self._later, (due_ms, webhook_id))

    def take(self, now_ms: int) -> str | None:
        """The webhook to serve next, if there is one and a thread for it; :meth:`done` must follow."""
        with self._lock:
            while self._later and self._later[0][0] <= now_ms:
                _, webhook_id = heapq.heappop(self._later)
                turns = self._ready[webhook_id in self._slow]
                turns.setdefault(self._user[webhook_id], deque()).append(webhook_id)
            if len(self._served) >= self._most:
                return None
            slow_now = sum(self._served.values())
            return self._next(slow=False) or (self._next(slow=True) if slow_now < self._most_slow else None)

    def done(self, webhook_id: str, *, slow: bool | None) -> None:
        """A webhook's turn is over; ``None`` says that it has ended for good."""
        with self._lock:
            del self._served[webhook_id]
            user_id = self._user.pop(webhook_id)
            self._served_of[user_id] -= 1
            if not self._served_of[user_id]:
                del self._served_of[user_id]
            if slow:
                self._slow.add(webhook_id)
            else:
                self._slow.discard(webhook_id)

    def next_due_ms(self) -> int | None:
        """When the next webhook is due that is not due yet."""
        with self._lock:
            return self._later[0][0] if self._later else None

    def _next(self, *, slow: bool) -> str | None:
        turns = self._ready[slow]
        # At most as many users are passed over as can have their share at once.
        user_id = next((user for user in turns if self._served_of[user] < self._most_of_user), None)
        if user_id is None:
            return None
        webhooks = turns.pop(user_id)
        webhook_id = webhooks.popleft()
        if webhooks:
            turns[user_id] = webhooks
        self._served[webhook_id] = slow
        self._served_of[user_id] += 1
        return webhook_id

"""What the routes work with: the store, and what stands between it and many requests at once."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import ParamSpec, TypeVar

from api.bodies.condition_spellings import Spellings
from api.http.admission import Caller, Gate
from api.http.problems import not_found
from api.http.quotas import Quotas
from api.http.rates import RateLimiter, Rates
from api.http.request_metrics import Measures
from api.hub_metrics import HubMetrics
from api.on_demand import Judging
from api.registrar import Registrar
from api.streams.user_feed import Feed
from common.clock import Clock, SystemClock
from common.settings import Settings
from events.log.redis_log import EventLog
from registry.conditions import Condition
from registry.store.parts.registry import RegisterResult, StoredCondition
from registry.store.protocol import Store

_MINUTE_MS = 60_000
_SPELLINGS = 10_000
_STORE_THREADS = 32
"""Requests that wait for a commit at once; the store commits what waits together."""
_JUDGING_THREADS = 2
THIN = 5
"""Fewer subscribers than this are nobody else's business."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Service:
    """Everything that requests share. Lives on one event loop; the store is read and written in threads.

    What the store keeps in memory (keys, conditions, subscriptions, counts) is read directly.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        log: EventLog,
        clock: Clock | None = None,
        *,
        log_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        """``log_problem`` says why whoever keeps the log up to the store cannot, ``None`` if all is well."""
        self.store = store
        self.settings = settings
        self.log = log
        self.log_problem = log_problem
        self.clock = clock or SystemClock()
        self.measures = Measures()
        self.gate = Gate(store.accounts, RateLimiter(Rates.of(settings)))
        self.quotas = Quotas(settings, store.registry, self.clock)
        self.making_webhooks = asyncio.Lock()
        """Held from looking what webhooks a user has until another one is there."""
        self.registrar = Registrar(lambda conditions: self.in_store(self.register_now, conditions))
        self.spellings = Spellings(settings.default_exchange, size=_SPELLINGS)
        self.judging = Judging(store)
        self.metrics = HubMetrics(store, log, self.clock)
        self.feed = Feed(store, log, self.measures)
        self.condition_of = lru_cache(maxsize=_SPELLINGS)(Condition.from_canonical)
        self._writers = ThreadPoolExecutor(_STORE_THREADS, "api-store")
        self._judges = ThreadPoolExecutor(_JUDGING_THREADS, "api-judge")

    def start(self) -> None:
        """Begin to follow the store's triggers."""
        self.feed.start()

    async def stop(self) -> None:
        """End streams and threads; the store stays open."""
        await self.feed.stop()
        for pool in (self._writers, self._judges):
            await asyncio.to_thread(pool.shutdown)

    async def in_store(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run what waits for the store's files in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, partial(work, *args, **kwargs))

    async def judged(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run what computes on candles in one of few threads: the others stay free for what is quick."""
        return await asyncio.get_running_loop().run_in_executor(self._judges, partial(work, *args, **kwargs))

    def register_now(self, conditions: Sequence[Condition]) -> list[RegisterResult]:
        """Register conditions in one commit."""
        now_ms = self.clock.now_ms()
        # Wanted until the end of a minute: who registers again within it changes nothing that would have to be written.
        until_ms = -(-(now_ms + self.settings.grace_ms) // _MINUTE_MS) * _MINUTE_MS
        return self.store.registry.register(conditions, active_from_ms=now_ms, grace_ms=until_ms - now_ms)

    def stored(self, condition_id: str) -> StoredCondition:
        """A registered condition; raises a 404 problem."""
        found = self.store.registry.condition(condition_id)
        if found is None:
            raise not_found("condition; register it first")
        return found

    async def settled_at(self, condition: Condition) -> int | None:
        """Close time from which a condition's indicators have settled, ``None`` while a series has no candles."""
        known = self.judging.known_settled_at(condition.id)
        return await self.in_store(self.judging.settled_at, condition) if known is None else known[0]

    def shown_subscribers(self, condition_id: str, caller: Caller) -> int | None:
        """How many subscribe to a condition, as far as the caller may know."""
        count = self.store.registry.subscriber_count(condition_id)
        return count if caller.is_operator or count >= THIN else None

"""What all routes share: the store, and everything between it and many concurrent requests."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from cachetools import LRUCache

from analysis.backtesting.trials import SessionTrials
from api.bodies.condition_spellings import Spellings, is_short
from api.bot_metrics import BotMetrics
from api.fair_share import FairShare
from api.http.admission import Admission, Caller
from api.http.problems import condition_in_error, not_found
from api.http.quotas import Quotas
from api.http.rates import RateLimiter, Rates
from api.http.request_metrics import RequestMetrics
from api.http.shared_windows import SharedWindows
from api.http.turns import Arguments, Result, Turns
from api.hub_metrics import HubMetrics
from api.on_demand import OnDemand, Settling
from api.operating_metrics import OperatingMetrics
from api.readiness import Readiness
from api.registrar import Registrar
from api.shared_view import SharedView
from api.streams.user_feed import UserFeed
from bots.executor.report import ExecutorReport
from candles.market_lists import MarketLists, check_known
from candles.tally import Tally
from common.clock import Clock, SystemClock
from common.errors import ConditionError, StoreError
from common.settings import Settings
from common.supervision import Loops
from events.log.redis_log import EventLog
from registry.conditions import Condition
from registry.directory import Directory
from registry.groups import Series
from registry.instruments import Instrument
from registry.store.parts.registry import RegisterResult, StoredCondition, read_condition
from registry.store.protocol import SharedStore, Store
from registry.tried import digest_of

_log = logging.getLogger(__name__)

_MINUTE_MS = 60_000
_TOLD_S = 5.0
_SPELLINGS_BYTES = 32 * 1024 * 1024
_SHORT = 2_000
"""Characters of canonical text with which little enough is done not to wait for a turn."""
_SHORT_TEXT = 400
"""Characters of text that are read within two milliseconds."""
_TRIED_S = 1.0
_TRIALS_OF_USERS = 1_000
_STORE_THREADS = 32
"""How many requests can wait for a commit at once; the store commits them together."""


class Service:
    """Everything that requests share. For use on one event loop; the store is read and written in threads.

    Only what the store keeps in memory (keys, conditions, subscriptions, counts) is read directly.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        log: EventLog,
        clock: Clock | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        log_problem: Callable[[], str | None] = lambda: None,
        rearm_webhooks: Callable[[str, str, str], None] = lambda *_: None,
        loops: Loops | None = None,
        markets: MarketLists | None = None,
    ) -> None:
        """``monotonic`` gives the seconds that rates are measured in. ``log_problem`` says why triggers cannot be
        published at the moment, ``None`` if they can. ``rearm_webhooks`` is told of user, bot and condition when a bot
        is ready again; its webhooks get a delivery if the condition is still TRUE. ``loops`` are the supervised loops
        of this process, which the live feed joins: the service is unavailable while one of them does not work.
        ``markets``, where candles are fetched, make instruments known that conditions name first."""
        self.store = store
        self._markets = markets
        self.market_lists = MarketLists(settings.data_dir)
        """What exchanges list, as far as ingest has asked."""
        self.answered = 0
        """Requests that were answered in an exchange's place."""
        self._told_answered = 0
        self._telling: asyncio.Task[None] | None = None
        self.settings = settings
        self.log = log
        self.rearm_webhooks = rearm_webhooks
        self.loops = loops or Loops()
        self.clock = clock or SystemClock()
        self.request_metrics = RequestMetrics()
        self._shared_rates = self._sharing_rates()
        self.admission = Admission(
            store.accounts, RateLimiter(Rates.of(settings), monotonic, shared=self._shared_rates)
        )
        self.view = SharedView(store) if isinstance(store, SharedStore) else None
        """What this process knows of a store that others write to; ``None`` if it is the only one."""
        self.quotas = Quotas.of(settings)
        self.making_webhooks = asyncio.Lock()
        """Locked from looking for a user's webhook of a name until one has been added."""
        self.registrar = Registrar(lambda registering: self.in_store(self.register_now, registering))
        self.spellings = Spellings(settings.default_exchange, store.candles.directory, size=_SPELLINGS_BYTES)
        self.on_demand = OnDemand(
            store, most_values=settings.on_demand_values_max, kept_bytes=settings.on_demand_cache_mib << 20
        )
        self.hub_metrics = HubMetrics(store, log, self.clock, self.loops, partial(Tally.read, settings.data_dir))
        self.bot_metrics = BotMetrics(store, partial(ExecutorReport.read, settings.data_dir))
        self.operating_metrics = OperatingMetrics(store, self.clock, settings.data_dir)
        self.turns = Turns("api-turns")
        self._trials: LRUCache[str, SessionTrials] = LRUCache(_TRIALS_OF_USERS)
        self.user_feed = UserFeed(store, log, self.request_metrics, self.loops, self.view)
        self.readiness = Readiness(store, log, self.clock, log_problem=log_problem, loops=self.loops)
        self._unreadable: dict[str, str] = {}
        """Condition id -> why the store's text of it cannot be read."""
        self._tried: dict[Series, set[int]] = {}
        """Digests of what was tried and is not yet counted."""
        self._counting: asyncio.TimerHandle | None = None
        self._writers = ThreadPoolExecutor(_STORE_THREADS, "api-store")
        self._figures = ThreadPoolExecutor(1, "api-figures")
        self.judging = FairShare(
            settings.on_demand_threads,
            waiting_per_user=settings.on_demand_waiting_per_user,
            waiting=settings.on_demand_waiting,
        )
        """The threads that compute on candles."""

    def start(self) -> None:
        """Start following the store's triggers."""
        self.user_feed.start()
        self._telling = asyncio.create_task(self._keep_telling())

    async def stop(self) -> None:
        """End streams and threads; the store stays open."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        self._tell_answered()
        await self.user_feed.stop()
        if self._counting is not None:
            self._counting.cancel()
            self._count_tried()
        self.readiness.stop()
        self.hub_metrics.stop()
        if self.view is not None:
            self.view.stop()
        if self._shared_rates is not None:
            await self._shared_rates.close()
        for pool in (self._writers, self._figures, self.judging):
            await asyncio.to_thread(pool.shutdown)
        await asyncio.to_thread(self.turns.shutdown)

    def _sharing_rates(self) -> SharedWindows | None:
        """Services that share a store and an event log count the rates of users together."""
        address = self.settings.redis_url
        if address is None or not isinstance(self.store, SharedStore):
            return None
        shared = SharedWindows(address.get_secret_value())
        self.request_metrics.rates_apart.set_function(lambda: float(not shared.is_reachable))
        return shared

    async def _keep_telling(self) -> None:
        """Add what was answered in an exchange's place to the sums of the data folder, now and then."""
        while True:
            await asyncio.sleep(_TOLD_S)
            await asyncio.to_thread(self._tell_answered)

    def _tell_answered(self) -> None:
        more = self.answered - self._told_answered
        if not more:
            return
        try:
            Tally.add(self.settings.data_dir, Tally(answered=more))
        except OSError as error:
            _log.warning("the sums of what was answered cannot be kept: %s", error.strerror)
        else:
            self._told_answered += more

    async def in_store(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run work that waits for the store's files in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, partial(work, *args, **kwargs))

    async def judged(
        self, caller: Caller, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run work that computes on candles in one of a few threads, when it is the caller's turn."""
        return await self.judging.run(caller.user_id, partial(work, *args, **kwargs))

    async def figured(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run work that sums up figures of the hub in the one thread for that."""
        return await asyncio.get_running_loop().run_in_executor(self._figures, partial(work, *args, **kwargs))

    def register_now(self, registering: Sequence[tuple[Condition, str]]) -> list[RegisterResult]:
        """Register conditions, each on behalf of a user, in one commit; raises :class:`QuotaExceeded` for a user."""
        now_ms = self.clock.now_ms()
        # Until the end of a minute: registering again within that minute changes nothing, so nothing has to be written.
        until_ms = -(-(now_ms + self.settings.grace_ms) // _MINUTE_MS) * _MINUTE_MS
        registered_by: dict[str, str] = {}
        for condition, user_id in registering:
            registered_by.setdefault(condition.id, user_id)
        if self._markets is not None:
            self._markets.list_new(
                {each for condition, _ in registering for each in condition.instruments}, self.store.candles
            )
        return self.store.registry.register(
            [condition for condition, _ in registering],
            active_from_ms=now_ms,
            grace_ms=until_ms - now_ms,
            registered_by=registered_by,
            quota=self.quotas.conditions,
        )

    def note_tried(self, condition: Condition) -> None:
        """Have it counted among what was tried on the past of its series, together with others of the next second."""
        self._tried.setdefault(condition.series, set()).add(digest_of(condition.id))
        if self._counting is None:
            self._counting = asyncio.get_running_loop().call_later(_TRIED_S, self._count_tried)

    def _count_tried(self) -> None:
        tried, self._tried, self._counting = self._tried, {}, None
        self._writers.submit(self._record_tried, tried)

    def _record_tried(self, tried: Mapping[Series, AbstractSet[int]]) -> None:
        # A count that is lost because nothing can be written at the moment does no harm.
        with suppress(StoreError):
            for series, digests in tried.items():
                self.store.trials.record(series, sorted(digests))

    def check_known(self, instrument: Instrument, directory: Directory) -> None:
        """Raises :class:`InstrumentError` for an instrument that is neither listed nor can be fetched."""
        check_known(instrument, directory, self._markets)

    def trials_of(self, user_id: str) -> SessionTrials:
        """What a user has backtested since the service began."""
        if user_id not in self._trials:
            self._trials[user_id] = SessionTrials()
        return self._trials[user_id]

    def current(self, condition_id: str) -> tuple[str, str | None]:
        """The id of the condition that stands for one today, and the same again if that is another one."""
        successor = self.store.registry.successor(condition_id)
        return successor, None if successor == condition_id else successor

    def stored(self, condition_id: str) -> StoredCondition:
        """A registered condition that is not superseded; raises a 404 problem."""
        stored = self.store.registry.condition(condition_id)
        if stored is None:
            raise not_found("condition; register it first")
        return stored

    async def read(self, spelling: object, caller: Caller) -> Condition:
        """The condition that a caller spells; raises :class:`ConditionError`. What may take long waits its turn."""
        if is_short(spelling):
            return self.spellings.read(spelling)
        return await self.turns.run(caller.user_id, self.spellings.read, spelling)

    async def condition(self, condition_id: str, caller: Caller) -> Condition:
        """A registered condition, parsed; raises a 404 problem, and a 409 problem if it cannot be read any more.

        What may take long waits its turn.
        """
        stored = self.stored(condition_id)
        if (why := self._unreadable.get(condition_id)) is None:
            try:
                if len(stored.text) <= _SHORT_TEXT and len(stored.canonical) <= _SHORT:
                    return read_condition(stored)
                return await self.turns.run(caller.user_id, read_condition, stored)
            except ConditionError as error:
                # Remembered, as it may take long to find out.
                why = self._unreadable[condition_id] = str(error)
        raise condition_in_error(why)

    async def settling(self, condition: Condition, caller: Caller) -> Settling:
        """Whether a condition's series have candles, and when its indicators will have settled."""
        known = self.on_demand.known_settling(condition.id)
        if known is not None:
            return known
        if len(condition.canonical) <= _SHORT:
            return await self.in_store(self.on_demand.settling, condition)
        return await self.turns.run(caller.user_id, self.on_demand.settling, condition)

    async def warnings(self, condition: Condition, caller: Caller) -> tuple[str, ...]:
        """What is valid and probably not meant about a condition. What may take long waits its turn."""
        if len(condition.canonical) <= _SHORT:
            return condition.warnings
        return await self.turns.run(caller.user_id, getattr, condition, "warnings")

    def shown_subscribers(self, condition_id: str, caller: Caller) -> int | None:
        """How many subscriptions a condition has, for operators; for users, how many other users it has.

        ``None`` if the caller may not know it. A user's own bots do not count: otherwise, with four of them, the number
        would tell of a single stranger.
        """
        if caller.is_operator:
            return self.store.registry.subscriber_count(condition_id)
        return self.store.registry.popularity(condition_id, caller.user_id) or None

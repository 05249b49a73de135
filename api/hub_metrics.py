"""The hub's metrics for Prometheus: conditions, subscriptions, evaluations, delivery, and what sharing saved."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from analysis.savings import summarise
from api.series_metrics import SeriesMetrics
from candles.tally import Tally
from common.clock import Clock
from common.errors import HubError
from common.supervision import Loops
from events.log.redis_log import EventLog
from registry.store.parts.condition_pages import ConditionQuery
from registry.store.protocol import Store

_LOG_PATIENCE_S = 2.0
"""How long the event log may take to answer a scrape; Prometheus waits for ten seconds, for all metrics together."""
_POPULAR = 20
_RATE_SPAN_MS = 5 * 60_000
_TICKS_AT_MOST = 100_000


class HubMetrics(Collector):
    """Reads the store on collection. Names no user, bot or configuration."""

    def __init__(
        self,
        store: Store,
        log: EventLog,
        clock: Clock,
        loops: Loops | None = None,
        tally: Callable[[], Tally | None] = lambda: None,
    ) -> None:
        """``tally`` says what exchanges were asked so far, ``None`` where nothing is fetched."""
        self._tally = tally
        self._clock = clock
        self._loops = loops or Loops()
        self._store = store
        self._log = log
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._series = SeriesMetrics(store)
        self._asks = ThreadPoolExecutor(1, "api-metrics-log")
        self._asked: Future[int] | None = None

    def stop(self) -> None:
        """Ask the event log nothing more; a question that hangs is not waited for."""
        self._asks.shutdown(wait=False, cancel_futures=True)

    def text(self, *others: CollectorRegistry) -> bytes:
        """These metrics and those of other registries in Prometheus' text format; may take a moment. One thread at a
        time asks."""
        texts = (generate_latest(registry) for registry in (self._registry, *others))
        return b"".join((self._series.text(), *texts))

    def describe(self) -> Iterable[Metric]:
        """Nothing: the metrics are only known on collection."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        yield from self._conditions()
        yield from self._subscriptions()
        yield from self._evaluation()
        yield from self._exchanges()
        yield from self._delivery()
        yield from self._supervision()
        yield from self._runs()

    def _conditions(self) -> Iterator[Metric]:
        registry = self._store.registry
        totals = registry.totals()
        yield GaugeMetricFamily("hub_unique_conditions", "Total unique conditions", totals["conditions"])
        yield GaugeMetricFamily(
            "hub_subscribed_conditions", "Conditions with an active subscription", totals["subscribed"]
        )
        yield GaugeMetricFamily(
            "hub_conditions_in_error", "Conditions that ticks cannot judge; their status says why", totals["in_error"]
        )
        yield GaugeMetricFamily("hub_conditions_retired", "Conditions that an operator has retired", totals["retired"])
        popular = GaugeMetricFamily(
            "hub_popular_condition_subscribers",
            "Most popular conditions and their subscribers",
            labels=["condition_id"],
        )
        rows = registry.condition_page(ConditionQuery(order="subscribers", limit=_POPULAR)).rows
        for condition_id, count in rows.filter(pl.col("subscribers") > 0).select("condition_id", "subscribers").rows():
            popular.add_metric([condition_id], count)
        yield popular

    def _subscriptions(self) -> Iterator[Metric]:
        totals = self._store.registry.totals()
        active = totals["subscriptions"]
        yield GaugeMetricFamily("hub_active_subscriptions", "Total active subscriptions", active)
        yield GaugeMetricFamily(
            "hub_subscribers_per_condition",
            "Average subscribers per condition with a subscription",
            _mean(active, totals["subscribed"]),
        )
        yield GaugeMetricFamily(
            "hub_conditions_per_user", "Average conditions per user with a subscription", _mean(active, totals["users"])
        )
        yield GaugeMetricFamily("hub_users", "Users with an active subscription", totals["users"])
        yield GaugeMetricFamily("hub_bots", "Bots with an active subscription", totals["bots"])

    def _evaluation(self) -> Iterator[Metric]:
        savings = summarise(self._store)
        per_second = _per_second(self._store, self._clock.now_ms())
        sizes = self._store.ticks.plan_sizes().values()
        yield GaugeMetricFamily(
            "hub_unique_indicators", "Unique indicators of what is judged", sum(size.indicators for size in sizes)
        )
        yield GaugeMetricFamily(
            "hub_unique_series",
            "Series that are read, once for each timeframe of conditions that reads them",
            sum(size.series for size in sizes),
        )
        yield CounterMetricFamily("hub_ticks", "Recorded ticks", savings.ticks)
        yield CounterMetricFamily("hub_evaluations", "Conditions judged", savings.evaluations)
        yield GaugeMetricFamily("hub_evaluations_per_second", "Evaluations per second, last minutes", per_second)
        yield GaugeMetricFamily(
            "hub_cache_hit_rate",
            "1 minus indicator steps computed / indicator values read by conditions",
            1 - savings.indicators / savings.equal_sharing_indicators if savings.equal_sharing_indicators else 0.0,
        )
        yield GaugeMetricFamily(
            "hub_evaluation_seconds_average",
            "Average time per evaluation: loading, computing, judging and recording",
            _mean(savings.measured_shared_s, savings.evaluations),
        )
        yield CounterMetricFamily(
            "hub_redundant_evaluations_avoided",
            "Evaluations that isolated bots would have done in addition",
            max(0, savings.isolated_evaluations - savings.evaluations),
        )
        saved = GaugeMetricFamily(
            "hub_compute_seconds_saved", "Compute time saved, measured and by the reference model", labels=["basis"]
        )
        share = GaugeMetricFamily(
            "hub_cost_reduction_percent", "Cost reduction, measured and by the reference model", labels=["basis"]
        )
        if savings.measured_isolated_s is not None and savings.measured_share is not None:
            saved.add_metric(["measured"], savings.measured_isolated_s - savings.measured_shared_s)
            share.add_metric(["measured"], 100 * savings.measured_share)
        saved.add_metric(["modelled"], savings.modelled_isolated_s - savings.modelled_shared_s)
        share.add_metric(["modelled"], 100 * savings.modelled_share)
        yield saved
        yield share

    def _exchanges(self) -> Iterator[Metric]:
        tally = self._tally()
        if tally is None:
            return
        requests = CounterMetricFamily("hub_exchange_requests", "Requests made to exchanges", labels=["exchange"])
        pushed = CounterMetricFamily(
            "hub_exchange_candles_pushed", "Final candles that came by websocket", labels=["exchange"]
        )
        connections = CounterMetricFamily(
            "hub_exchange_connections", "Websockets that were opened", labels=["exchange"]
        )
        for name, sums in sorted(tally.exchanges.items()):
            requests.add_metric([name], sums.requests)
            pushed.add_metric([name], sums.pushed)
            connections.add_metric([name], sums.connections)
        yield requests
        yield pushed
        yield connections
        yield CounterMetricFamily(
            "hub_exchange_candles_corrected", "Candles that came again with other values", tally.corrected
        )
        yield CounterMetricFamily(
            "hub_exchange_answers",
            "Requests for candles and markets that the hub answered in an exchange's place",
            tally.answered,
        )
        yield CounterMetricFamily(
            "hub_isolated_exchange_requests",
            "Requests that isolated bots would have made: one for each series of each condition and candle in time",
            tally.isolated_requests,
        )

    def _delivery(self) -> Iterator[Metric]:
        newest = self._store.triggers.last_seq()
        yield CounterMetricFamily("hub_triggers", "Recorded triggers", newest)
        published = self._published()
        yield GaugeMetricFamily("hub_event_log_up", "Whether the event log answers", int(published is not None))
        if published is not None:
            yield GaugeMetricFamily(
                "hub_event_queue_depth", "Triggers recorded but not yet published", max(0, newest - published)
            )

    def _published(self) -> int | None:
        """The number of the newest event; ``None`` if the log fails or does not answer in time. One question is under
        way at a time."""
        if self._asked is None or self._asked.done():
            self._asked = self._asks.submit(self._log.last_seq)
        try:
            return self._asked.result(_LOG_PATIENCE_S)
        except (HubError, TimeoutError):
            return None

    def _supervision(self) -> Iterator[Metric]:
        restarts = CounterMetricFamily(
            "hub_loop_restarts", "Times that a loop of the service failed and began again", labels=["loop"]
        )
        up = GaugeMetricFamily("hub_loop_up", "Whether a loop of the service works", labels=["loop"])
        for loop in self._loops.all():
            restarts.add_metric([loop.name], loop.restarts)
            up.add_metric([loop.name], int(loop.is_up))
        yield restarts
        yield up

    def _runs(self) -> Iterator[Metric]:
        failing = {failure.deployment for failure in self._store.runs.failing()}
        failed = CounterMetricFamily("hub_failed_runs", "Flow runs that did not reach their end", labels=["deployment"])
        state = GaugeMetricFamily(
            "hub_deployment_failing", "Whether the newest run of a deployment failed", labels=["deployment"]
        )
        for deployment, count in sorted(self._store.runs.failure_counts().items()):
            failed.add_metric([deployment], count)
            state.add_metric([deployment], int(deployment in failing))
        yield failed
        yield state
        for audit in self._store.runs.audits(1):
            yield GaugeMetricFamily(
                "hub_audit_timestamp_seconds", "When the newest audit was made", audit.audited_ms / 1000
            )
            yield GaugeMetricFamily("hub_audit_triggers", "Triggers that the newest audit compared", audit.triggers)
            yield GaugeMetricFamily(
                "hub_audit_differences", "Triggers that are not what the candles say", audit.differences
            )


def _per_second(store: Store, now_ms: int) -> float:
    """Evaluations recorded in the last minutes, per second."""
    recent = store.ticks.newest_ticks(_TICKS_AT_MOST, since_ms=now_ms - _RATE_SPAN_MS)
    return float(recent["conditions"].sum()) * 1000 / _RATE_SPAN_MS


def _mean(total: float, count: int) -> float:
    return total / count if count else 0.0

"""Bots that the hub runs, as metrics for Prometheus: sums over the bots of a kind, and how their executor does."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bots.executor.report import ExecutorReport
from bots.standing import gains, not_begun
from registry.store.parts.bots import BotStanding, StoredBot
from registry.store.protocol import Store

_ALL = 1 << 60


class BotMetrics(Collector):
    """Reads the store on collection. Names no user, bot or configuration; what forgotten users' bots did is not
    counted."""

    def __init__(self, store: Store, report: Callable[[], ExecutorReport | None]) -> None:
        """``report`` is the executor's last one; ``None`` where bots were never run."""
        self._store, self._report = store, report
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the metrics are only known on collection."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        by_kind: dict[str, list[StoredBot]] = {}
        for bot in self._store.bots.changed_after(0, _ALL):
            by_kind.setdefault(bot.kind, []).append(bot)
        stands = {kind: self._stands(bots) for kind, bots in sorted(by_kind.items())}
        yield from _of_active(stands)
        yield from _of_all(stands)
        yield from self._amounts(stands)
        report = self._report()
        if report is not None:
            yield from _of_executor(report)

    def _stands(self, bots: list[StoredBot]) -> list[tuple[StoredBot, list[BotStanding]]]:
        """Each bot, and how it stands in each of its markets."""
        begun: dict[int, dict[str, BotStanding]] = {}
        for number, standing in self._store.bots.standings([bot.number for bot in bots]):
            begun.setdefault(number, {})[standing.instrument] = standing
        return [
            (
                bot,
                [
                    begun.get(bot.number, {}).get(name) or not_begun(name, is_active=bot.life == "active")
                    for name in bot.instruments
                ],
            )
            for bot in bots
        ]

    def _amounts(self, stands: "_Stands") -> Iterator[Metric]:
        quote_of = self._store.candles.directory().quote_currency
        gain = _gauge("hub_bot_gain", "What bots have gained, after fees; coins at the last close", "quote_currency")
        fees = _gauge("hub_bot_fees", "Fees that bots have paid", "quote_currency")
        for kind, bots in stands.items():
            markets = (market for _, several in bots for market in several)
            for one in gains(markets, quote_of):
                currency = one.quote_currency or one.instruments[0]
                gain.add_metric([kind, currency], float(one.gain))
                fees.add_metric([kind, currency], float(one.fees))
        yield from (gain, fees)


_Stands = Mapping[str, list[tuple[StoredBot, list[BotStanding]]]]


def _of_active(stands: _Stands) -> Iterator[Metric]:
    active = _gauge("hub_bots_active", "Bots that the hub runs")
    failing = _gauge("hub_bots_in_error", "Bots that wait for their owner after an error")
    markets = _gauge("hub_bot_markets", "Markets in which active bots are in a state", "state")
    for kind, bots in stands.items():
        running = [several for bot, several in bots if bot.life == "active"]
        active.add_metric([kind], len(running))
        failing.add_metric([kind], sum(any(market.status == "error" for market in several) for several in running))
        states = Counter(market.status for several in running for market in several)
        for state, count in sorted(states.items()):
            markets.add_metric([kind, state], count)
    yield from (active, failing, markets)


def _of_all(stands: _Stands) -> Iterator[Metric]:
    deals = _gauge("hub_bot_deals", "Deals that bots have ended")
    orders = _gauge("hub_bot_orders_working", "Orders of bots at their brokers")
    for kind, bots in stands.items():
        deals.add_metric([kind], sum(market.deals for _, several in bots for market in several))
        orders.add_metric([kind], sum(market.orders for _, several in bots for market in several))
    yield from (deals, orders)


def _of_executor(report: ExecutorReport) -> Iterator[Metric]:
    yield GaugeMetricFamily("hub_executor_bots", "Bots that the executor runs", report.bots)
    yield GaugeMetricFamily("hub_executor_bots_not_run", "Bots whose account does not open", report.not_run)
    yield GaugeMetricFamily(
        "hub_executor_round_timestamp_seconds",
        "When the executor began its last whole round",
        report.round_ms / 1000,
    )
    yield GaugeMetricFamily("hub_executor_triggers_waiting", "Triggers that bots have not acted on", report.waiting)
    yield GaugeMetricFamily("hub_executor_lag_seconds", "Time since the close of the oldest of them", report.lag_s)
    for name, meaning, label, counts in (
        ("hub_bot_orders_refused", "Orders of bots that brokers have refused", "kind", report.refused),
        ("hub_bot_failures", "Times that a bot failed and went on from its last record", "kind", report.failures),
        ("hub_executor_restarts", "Times that a loop of the executor failed and began again", "loop", report.restarts),
    ):
        family = CounterMetricFamily(name, meaning, labels=[label])
        for value, count in sorted(counts.items()):
            family.add_metric([value], count)
        yield family


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=["kind", *labels])

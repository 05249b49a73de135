"""How far judging has come, as metrics for Prometheus: what deploy/prometheus/alerts.yml alarms about."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from analysis.progress import ToBeJudged, exchange_candles, progress
from common.clock import Clock
from common.errors import PrefectServerError
from flows.prefect_view import look_at_prefect
from registry.store.protocol import Store


class OperatingMetrics(Collector):
    """Looks at the store and at Prefect's server on collection. Whatever keeps candles from being judged shows here,
    and is gone once it is mended."""

    def __init__(self, store: Store, clock: Clock, data_dir: Path) -> None:
        self._store, self._clock, self._data_dir = store, clock, data_dir
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the metrics are only known on collection."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metric families."""
        now_ms = self._clock.now_ms()
        wanted = ToBeJudged.of(self._store)
        yield from self._progress(wanted, now_ms)
        yield from self._candles(wanted, now_ms)
        yield from self._prefect(now_ms)

    def _progress(self, wanted: ToBeJudged, now_ms: int) -> Iterator[Metric]:
        lag = _gauge(
            "hub_tick_lag_seconds", "Since when the last closed candle of a timeframe is not judged", "timeframe"
        )
        last = _gauge("hub_last_tick_timestamp_seconds", "Close time up to which a timeframe is judged", "timeframe")
        groups = _gauge(
            "hub_groups", "Groups of series to be judged: all, behind, waiting, stale, absent", "timeframe", "state"
        )
        for each in progress(wanted, now_ms):
            lag.add_metric([each.timeframe], each.lag_ms / 1000)
            if each.last_tick_ms is not None:
                last.add_metric([each.timeframe], each.last_tick_ms / 1000)
            states = {
                "all": each.groups,
                "behind": each.behind,
                "waiting": len(each.waiting),
                "stale": each.stale,
                "absent": each.without_candles,
            }
            for state, count in states.items():
                groups.add_metric([each.timeframe, state], count)
        yield from (lag, last, groups)

    def _candles(self, wanted: ToBeJudged, now_ms: int) -> Iterator[Metric]:
        series = _gauge("hub_series", "Series that conditions read: all, current, absent", "exchange", "state")
        newest = _gauge("hub_newest_candle_timestamp_seconds", "Close time of an exchange's newest candle", "exchange")
        for each in exchange_candles(wanted, now_ms):
            for state, count in (("all", each.series), ("current", each.current), ("absent", each.absent)):
                series.add_metric([each.exchange, state], count)
            if each.newest_close_ms is not None:
                newest.add_metric([each.exchange], each.newest_close_ms / 1000)
        yield from (series, newest)

    def _prefect(self, now_ms: int) -> Iterator[Metric]:
        up = GaugeMetricFamily("hub_prefect_up", "Whether the Prefect server of the data folder answers")
        workers = GaugeMetricFamily("hub_workers_online", "Workers that judge")
        late = GaugeMetricFamily("hub_runs_late", "Flow runs that should have begun and have not")
        failed = GaugeMetricFamily("hub_runs_failed_last_day", "Flow runs that failed or crashed in the last 24 hours")
        try:
            view = look_at_prefect(self._data_dir, now_ms)
        except PrefectServerError:
            view = None
        up.add_metric([], int(view is not None))
        workers.add_metric([], 0 if view is None else sum(worker.is_online for worker in view.workers))
        if view is not None:
            late.add_metric([], view.late)
            failed.add_metric([], view.failed)
        yield from (up, workers, late, failed)


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=labels)

"""How many conditions each series has, for Prometheus: thousands of lines that seldom change."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from registry.groups import Series
from registry.store.protocol import Store


class SeriesMetrics:
    """One thread at a time asks. The text is written again once the counts are others."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Mapping[Series, int] = {}
        self._text = _written({})

    def text(self) -> bytes:
        """The metric in Prometheus' text format."""
        counts = self._store.registry.conditions_per_series()
        if counts != self._counts:
            self._counts, self._text = counts, _written(counts)
        return self._text


class _Counts(Collector):
    def __init__(self, counts: Mapping[Series, int]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "hub_conditions_per_series", "Conditions per symbol and timeframe", labels=["symbol", "timeframe"]
        )
        for series, count in sorted(self._counts.items()):
            family.add_metric([str(series.instrument), series.timeframe], count)
        yield family


def _written(counts: Mapping[Series, int]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Counts(counts))
    return generate_latest(registry)

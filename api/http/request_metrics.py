"""The service's own metrics: requests, their durations, and open streams."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class RequestMetrics:
    """Metrics of the HTTP service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "hub_http_requests", "Requests by route and status", ["route", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "hub_http_request_seconds",
            "Time until a request was answered; for a stream, until it ended",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
            registry=self.registry,
        )
        self.streams = Gauge("hub_event_streams", "Open event streams", registry=self.registry)
        self.rates_apart = Gauge(
            "hub_rates_apart",
            "Whether this service counts the rates of users by itself, although others share its store",
            registry=self.registry,
        )
        self.streams_cut = Counter(
            "hub_event_streams_cut", "Event streams closed because their reader was too slow", registry=self.registry
        )

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. ``route`` is the route's template, which bounds the number of time series."""
        # A client could otherwise create any number of time series with made-up methods.
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)

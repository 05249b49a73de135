"""What publishers and consumers of this process count, for ``/metrics``. Nothing here names a user or a bot."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

METRICS = CollectorRegistry()
"""All of them; ``prometheus_client.generate_latest(METRICS)`` writes them down."""

EVENTS_PUBLISHED = Counter("hub_events_published", "Events appended to the log.", registry=METRICS)
PUBLISH_LAG = Gauge("hub_publish_lag_events", "Triggers of the store that the log does not have yet.", registry=METRICS)
APPEND_SECONDS = Histogram(
    "hub_append_seconds",
    "Time of one append to the log, a batch of up to 1,000 events.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=METRICS,
)
TRIGGERS_RESTORED = Counter(
    "hub_triggers_restored",
    "Triggers that the store took back from the log, because it was an older backup.",
    registry=METRICS,
)
EVENTS_TRIMMED = Counter("hub_events_trimmed", "Events that the log let go of.", registry=METRICS)
LOG_EVENTS = Gauge("hub_log_events", "Events that the log holds.", registry=METRICS)
LOG_BYTES = Gauge("hub_log_bytes", "Memory that the log takes on its server.", registry=METRICS)
GROUP_LAG = Gauge("hub_group_lag_events", "Events that a consumer group has not applied.", ["group"], registry=METRICS)
LOG_FAILURES = Counter("hub_log_failures", "Times that the log's server was away or refused.", registry=METRICS)

DELIVERED = Counter("hub_deliveries", "Deliveries that a handler took.", ["group"], registry=METRICS)
SKIPPED = Counter(
    "hub_deliveries_skipped", "Deliveries that a policy held back.", ["group", "reason"], registry=METRICS
)
FAILED = Counter("hub_delivery_failures", "Deliveries that a handler refused, each time.", ["group"], registry=METRICS)
DEAD = Counter("hub_deliveries_dead", "Deliveries given up and put aside.", ["group"], registry=METRICS)
WEBHOOKS_SENT = Counter("hub_webhooks_sent", "Deliveries that webhooks took.", registry=METRICS)
WEBHOOKS_FAILED = Counter("hub_webhook_failures", "Attempts that failed.", registry=METRICS)
CONSUMER_LAG = Gauge(
    "hub_consumer_lag_events", "Events that this consumer has not applied.", ["group"], registry=METRICS
)
BACKFILLED = Counter("hub_events_backfilled", "Events had from the store by number.", ["group"], registry=METRICS)

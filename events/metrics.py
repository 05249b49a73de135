"""Metrics of this process's publishers and consumers, for ``/metrics``. None of them names a user or a bot."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

METRICS = CollectorRegistry()
"""All of them; ``prometheus_client.generate_latest(METRICS)`` renders them."""

EVENTS_PUBLISHED = Counter("hub_events_published", "Events appended to the log.", registry=METRICS)
PUBLISH_LAG = Gauge("hub_publish_lag_events", "Triggers in the store that are not in the log yet.", registry=METRICS)
APPEND_SECONDS = Histogram(
    "hub_append_seconds",
    "Time of one append to the log, of a batch of up to 1,000 events.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=METRICS,
)
TRIGGERS_RESTORED = Counter(
    "hub_triggers_restored",
    "Triggers that the store took back from the log after an older backup was restored.",
    registry=METRICS,
)
EVENTS_TRIMMED = Counter("hub_events_trimmed", "Events trimmed from the log.", registry=METRICS)
LOG_EVENTS = Gauge("hub_log_events", "Events in the log.", registry=METRICS)
LOG_BYTES = Gauge("hub_log_bytes", "Memory that the log uses on its server.", registry=METRICS)
GROUP_LAG = Gauge("hub_group_lag_events", "Events that a consumer group has not applied.", ["group"], registry=METRICS)
LOG_FAILURES = Counter("hub_log_failures", "Times that the log's server was down or refused a call.", registry=METRICS)
UNREADABLE = Counter(
    "hub_log_entries_unreadable",
    "Entries of the log that were passed over: damaged, or of somebody else.",
    registry=METRICS,
)

DELIVERED = Counter("hub_deliveries", "Deliveries that a handler accepted.", ["group"], registry=METRICS)
SKIPPED = Counter(
    "hub_deliveries_skipped", "Deliveries that a policy held back.", ["group", "reason"], registry=METRICS
)
FAILED = Counter("hub_delivery_failures", "Attempts at delivery that a handler refused.", ["group"], registry=METRICS)
DEAD = Counter(
    "hub_deliveries_dead", "Deliveries that were given up and became dead letters.", ["group"], registry=METRICS
)
WEBHOOKS_SENT = Counter("hub_webhooks_sent", "Deliveries that webhooks accepted.", registry=METRICS)
WEBHOOKS_PUT_OFF = Counter(
    "hub_webhooks_put_off", "Posts that a receiver asked to be made again later.", registry=METRICS
)
WEBHOOKS_FAILED = Counter("hub_webhook_failures", "Attempts to post to a webhook that failed.", registry=METRICS)
WEBHOOKS_PAUSED = Counter(
    "hub_webhooks_paused",
    "Times that the hub paused a webhook: gone, failing or backlog.",
    ["reason"],
    registry=METRICS,
)
CONSUMER_LAG = Gauge(
    "hub_consumer_lag_events", "Events that this consumer has not applied.", ["group"], registry=METRICS
)
BACKFILLED = Counter("hub_events_backfilled", "Events read from the store by number.", ["group"], registry=METRICS)

"""The sections of the page, in order."""

from collections.abc import Callable

from benchmarks import (
    backtests,
    big_hub,
    bots,
    cold,
    conditions,
    dashboard,
    events,
    fairness,
    history,
    latency,
    live,
    month,
    noise,
    reads,
    scan,
    seed,
    service,
    subscriptions,
    sweeps,
    texts,
)
from benchmarks.peers.process import Peers
from benchmarks.report import Section
from benchmarks.scale import Scale

SECTIONS: dict[str, Callable[[Scale, Peers], Section]] = {
    "seed": seed.seed,
    "subscriptions": subscriptions.subscriptions,
    "history": history.one_series,
    "series": history.many_series,
    "live": live.live,
    "conditions": conditions.conditions,
    "scan": scan.scan,
    "backtests": backtests.backtests,
    "texts": texts.texts,
    "noise": noise.noise,
    "sweeps": sweeps.sweeps,
    "cold": cold.cold,
    "big": big_hub.big_hub,
    "events": events.events,
    "service": service.service,
    "reads": reads.reads,
    "dashboard": dashboard.dashboard,
    "month": month.month,
    "fairness": fairness.fairness,
    "bots": bots.bots,
    "latency": latency.latency,
}
"""Name on the command line -> how to measure it."""

WITH_PEERS = frozenset({"history", "series", "live", "backtests"})
"""The sections that compare with libraries in an environment of their own."""

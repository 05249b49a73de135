"""The rooms of the page, in their order."""

from collections.abc import Callable

from benchmarks import conditions, history, live
from benchmarks.peers.process import Peers
from benchmarks.report import Section
from benchmarks.scale import Scale

SECTIONS: dict[str, Callable[[Scale, Peers], Section]] = {
    "history": history.one_series,
    "series": history.many_series,
    "live": live.live,
    "conditions": conditions.conditions,
}
"""Name on the command line -> how to measure it."""

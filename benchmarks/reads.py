"""What pages, commands and metrics ask of a store with ten million triggers, each question by itself."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from analysis.progress import ToBeJudged, exchange_candles, progress
from analysis.savings import summarise
from analysis.standing import standing_of
from api.hub_metrics import HubMetrics
from benchmarks.big_store import START_MS, BigStore, fill
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from common.clock import ReplayClock
from events.log.redis_log import EventLog
from registry.store.files.file_store import FileStore
from registry.store.parts.condition_pages import ConditionQuery
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store

_DAY_MS = 24 * 3_600_000
_MOST_MS = 50.0
_PAGE = 50


class _PublishedLog:
    """An event log that has everything; nothing of it is measured here."""

    def last_seq(self) -> int:
        return 0


def reads(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """One store, opened once; every question is asked several times."""
    size = BigStore(
        scale.stored_triggers,
        scale.stored_ticks,
        scale.stored_conditions,
        scale.stored_subscriptions,
        users=scale.users,
        instruments=scale.instruments,
    )
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        fill(folder, size)
        # The first owner sums up; what is measured is any owner after it.
        FileStore(folder).close()
        started = time.perf_counter()
        with FileStore(folder, clock=ReplayClock(size.end_ms + 1_000)) as store:
            opened_s = time.perf_counter() - started
            rows = [_measured(name, ask, scale.rounds) for name, ask in questions(store, size).items()]
    slowest = max(cpu for _, cpu, _ in rows)
    remark = (
        f"A store with {size.triggers:,} triggers, {size.ticks:,} ticks, {size.conditions:,} conditions and "
        f"{size.subscriptions:,} subscriptions of {size.users:,} users, asked in its owner; opening it took "
        f"{opened_s:.1f} s. CPU time of all threads, median of {scale.rounds} times after a first one, and the least "
        "time on the clock, which others on the machine make longer."
    )
    table = Table(
        remark,
        ("question", "CPU, ms", "least on the clock, ms"),
        [[name, figure(cpu), figure(ms)] for name, cpu, ms in rows],
    )
    return Section(
        "Reads of a big store",
        [table],
        [at_most("the dearest question to a big store, CPU time", _MOST_MS, slowest, " ms")],
    )


def questions(store: Store, size: BigStore) -> dict[str, Callable[[], object]]:
    """What is asked, in words -> how it is asked."""
    registry, ticks, triggers = store.registry, store.ticks, store.triggers
    end_ms = size.end_ms
    condition = size.condition(size.conditions - 1)
    often, seldom = size.condition(0).id, condition.id
    assert registry.condition(seldom) is not None
    last = triggers.last_seq()
    metrics = HubMetrics(store, _as_log(_PublishedLog()), ReplayClock(end_ms))

    def page(**asked: object) -> Callable[[], object]:
        query = ConditionQuery(limit=_PAGE, **asked)  # type: ignore[arg-type]
        return lambda: registry.condition_page(query)

    def page_after_a_change() -> object:
        request = SubscriptionRequest("user 0", "bot of the benchmark", seldom, "dca", {})
        registry.subscribe([request], active_from_ms=end_ms)
        registry.unsubscribe("user 0", "bot of the benchmark", seldom, at_ms=end_ms)
        return registry.condition_page(ConditionQuery(limit=_PAGE))

    return {
        "how often a condition has fired, and when last": lambda: triggers.condition_state(often),
        "the newest triggers of a condition that fires often": lambda: triggers.of(often, _PAGE),
        "the newest triggers of one that seldom fires": lambda: triggers.of(seldom, _PAGE),
        "whether a trigger is recorded on a candle": lambda: triggers.is_recorded(often, end_ms - 30 * _DAY_MS),
        "the newest triggers of all": lambda: triggers.after(last - _PAGE, _PAGE),
        "a page of triggers in the middle": lambda: triggers.after(last // 2, _PAGE),
        "the newest ticks": lambda: ticks.newest_ticks(_PAGE),
        "the newest ticks of 1d": lambda: ticks.newest_ticks(_PAGE, timeframe="1d"),
        "ticks of a day in the middle": lambda: ticks.newest_ticks(
            _PAGE, since_ms=(START_MS + end_ms) // 2, until_ms=(START_MS + end_ms) // 2 + _DAY_MS
        ),
        "savings since the beginning": lambda: summarise(store),
        "savings of the last day": lambda: summarise(store, since_ms=end_ms - _DAY_MS),
        "totals by hour, of a week": lambda: ticks.totals("hour", since_ms=end_ms - 7 * _DAY_MS),
        "totals by day, since the beginning": lambda: ticks.totals("day"),
        "what was registered over time": ticks.registry_sizes,
        "how much is registered and wanted": registry.totals,
        "conditions with most subscribers": page(),
        "the same, right after a subscription came and went": page_after_a_change,
        "conditions whose text has two words": page(words="c1usdt rsi"),
        "conditions in error": page(states=("err",)),
        "conditions that are stale": page(healths=("stale",)),
        "conditions that have fired last": page(order="last_trigger"),
        "the last page of conditions, by text": page(order="text", offset=max(0, size.conditions - _PAGE)),
        "users who want most": lambda: registry.users(_PAGE),
        "where a condition stands": lambda: standing_of(store, condition, end_ms - 30 * _DAY_MS),
        "how far every timeframe has been judged": lambda: progress(ToBeJudged.of(store), end_ms),
        "which candles are there": lambda: exchange_candles(ToBeJudged.of(store), end_ms),
        "all metrics": metrics.text,
    }


def _measured(name: str, ask: Callable[[], object], rounds: int) -> tuple[str, float, float]:
    """The question, the median of its CPU time and its least time on the clock, in milliseconds."""
    ask()
    cpu, clock = [], []
    for _ in range(rounds):
        started, began = time.process_time(), time.perf_counter()
        ask()
        clock.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.process_time() - started) * 1e3)
    return name, statistics.median(cpu), min(clock)


def _as_log(log: object) -> EventLog:
    return log  # type: ignore[return-value]

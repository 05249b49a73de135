"""A hub of hundreds of series: what a tick, a start and growth cost with 10,000 to 1,000,000 subscriptions."""

import gc
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.process import Peers
from benchmarks.processes import resident_mb, run_apart
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from benchmarks.served import hub_up

_ATTACHED = {"HUB_WITHOUT": "worker,dashboard"}
_SUBSCRIPTIONS_A_CONDITION = 10
_CANDLES = 300
_BEFORE = 64
"""Candles judged before the start that is measured: a checkpoint is behind it by as many."""
_CHUNK = 10_000
_USERS = 10_000
_APART = 1_013
"""Users who share a condition have numbers so far apart: each of them has subscribed to it once."""
_NAMES = ("RSI", "SMA", "EMA", "WMA", "CCI", "ROC", "MOM", "ADX", "ATR")
_PERIODS = (7, 14, 21, 50)
_OPERATORS = ("<", ">", "crosses_above", "crosses_below")
_READY_S, _OWNER_S, _MOST_MB, _GROWTH = 8.0, 8.0, 1_200.0, 1.5


def big_hub(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """One hub for each size, its owner and its worker in processes of their own."""
    sizes = scale.big_subscriptions
    measured = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as made:
            measured.append(measure(Path(made), size, scale.big_instruments, scale.big_ticks))
    rows = [
        [title, *(figure(one[what]) for one in measured), f"{measured[-1][what] / measured[0][what]:.1f}x"]
        for what, title in _TITLES.items()
    ]
    remark = (
        f"One condition for every {_SUBSCRIPTIONS_A_CONDITION} subscriptions, on up to {scale.big_instruments} series"
        f" of 1h with {len(_NAMES) * len(_PERIODS)} indicators each; store and service in one process, the worker in"
        f" another. CPU seconds; ticks are medians of {scale.big_ticks}. The last column is the largest size to the"
        " smallest."
    )
    table = Table(remark, ("what", *(f"{size:,}" for size in sizes), "ratio"), rows)
    most = measured[-1]
    targets = [
        at_most(f"cold start to the first tick, {sizes[-1]:,} subscriptions, CPU", _READY_S, most["cold_s"], " s"),
        at_most("its owner serves, CPU", _OWNER_S, most["owner_s"], " s"),
        at_most("memory of worker and owner", _MOST_MB, most["worker_mb"] + most["owner_mb"], " MB"),
        at_most("a tick after one subscription, to one without", _GROWTH, most["grown_s"] / most["tick_s"], "x"),
    ]
    return Section("A big hub", [table], targets)


_TITLES = {
    "registered_s": "registering the conditions, parsed before",
    "subscribed_s": "subscribing",
    "owner_s": "the owner, until it serves",
    "owner_mb": "its memory, MB",
    "prepared_s": "the worker: plan and indicators from the checkpoint",
    "cold_s": "the worker, from its start to its first tick",
    "worker_mb": "its memory, MB",
    "tick_s": "a tick, recorded and published",
    "grown_s": "a tick with one subscription since the last",
    "new_s": "a tick with one new condition since the last",
    "series": "series that it loads",
    "isolated_loads": "loads by isolated bots, for the same verdicts",
    "indicators": "indicators that it computes",
    "isolated_indicators": "indicators by isolated bots",
}


def measure(folder: Path, subscriptions: int, instruments: int, ticks: int) -> dict[str, float]:
    """Fill a folder, serve it, and start a worker at it."""
    request = {"folder": str(folder), "subscriptions": subscriptions, "instruments": instruments, "ticks": ticks}
    figures: dict[str, float] = run_apart("benchmarks.big_hub", {"does": "fill", **request})
    with hub_up(folder, _ATTACHED) as served:
        served.settle()
        figures["owner_s"], figures["owner_mb"] = served.cpu_s, served.resident_mb
        figures |= run_apart("benchmarks.big_hub", {"does": "work", **request})
        figures["owner_mb"] = max(figures["owner_mb"], served.resident_mb)
    return figures


def flat_conditions(count: int, instruments: int) -> Iterator[dict[str, object]]:
    """Different conditions as bots send them, spread over the series and their indicators."""
    readings = [(name, period) for period in _PERIODS for name in _NAMES]
    series = min(instruments, max(1, count // len(readings)))
    for number in itertools.islice(itertools.count(), count):
        name, period = readings[number // series % len(readings)]
        yield {
            "symbol": _symbol(number % series),
            "timeframe": "1h",
            "indicator": name,
            "operator": _OPERATORS[number % len(_OPERATORS)],
            "value": 1 + number // (series * len(readings)) + number % 97 / 100,
            "period": period,
        }


def _symbol(number: int) -> str:
    return f"COIN{number}USDT"


def _fill(request: dict[str, Any]) -> dict[str, float]:
    """Candles, conditions, subscriptions, and ticks until there is a checkpoint."""
    import polars as pl

    from benchmarks import candles
    from common.timeframes import DURATION_MS
    from hub.serve import COLLECTED_AFTER
    from registry.conditions import Condition
    from registry.store.files.file_store import FileStore
    from registry.store.parts.registry import SubscriptionRequest

    # As in the process that does this in a hub.
    gc.set_threshold(COLLECTED_AFTER)
    count = max(1, request["subscriptions"] // _SUBSCRIPTIONS_A_CONDITION)
    with FileStore(Path(request["folder"]) / "store") as store:
        made = [
            candles.frame(candles.series(_CANDLES, seed=number, timeframe="1h"), _symbol(number), "1h")
            for number in range(request["instruments"])
        ]
        store.candles.upsert(pl.concat(made))
        opens = int(made[0]["open_time"].dt.epoch("ms")[-1])
        since = opens - (_BEFORE + request["ticks"] * 4) * DURATION_MS["1h"]
        conditions = [Condition.parse(each) for each in flat_conditions(count, request["instruments"])]
        started = time.process_time()
        for begin in range(0, count, _CHUNK):
            store.registry.register(conditions[begin : begin + _CHUNK], active_from_ms=since, grace_ms=10**12)
        registered_s = time.process_time() - started
        dice = random.Random(8)
        subscribed_s = 0.0
        for begin in range(0, request["subscriptions"], _CHUNK):
            requests = [
                SubscriptionRequest(
                    f"user-{(number + number // count * _APART) % _USERS}", f"bot-{number % 3}",
                    conditions[number % count].id, "dca", {"baseOrderSize": dice.randint(10, 500)},
                )
                for number in range(begin, min(begin + _CHUNK, request["subscriptions"]))
            ]  # fmt: skip
            started = time.process_time()
            store.registry.subscribe(requests, active_from_ms=since)
            subscribed_s += time.process_time() - started
    return {"registered_s": registered_s, "subscribed_s": subscribed_s, "since": since}


def _work(request: dict[str, Any]) -> dict[str, float]:
    """A worker's process, from its first instruction: it has imported nothing yet."""
    import asyncio
    import statistics

    from common.clock import ReplayClock
    from common.settings import load_settings
    from common.timeframes import DURATION_MS
    from events.opening import connect_log
    from flows.advance import advance
    from flows.runtime import Runtime
    from registry.conditions import Condition
    from registry.store import open_configured
    from registry.store.parts.registry import SubscriptionRequest

    step = DURATION_MS["1h"]
    settings = load_settings(data_dir=Path(request["folder"]))
    with open_configured(settings) as store, connect_log(settings) as log, asyncio.Runner() as runner:

        def tick(runtime: Runtime, close_ms: int) -> float:
            runtime.clock.move_to(close_ms)  # type: ignore[attr-defined]
            started = time.process_time()
            done = runner.run(advance(runtime, "1h", close_ms))
            assert done.ticks > 0, f"nothing was judged, waiting: {done.waiting}"
            return time.process_time() - started

        now = max(store.candles.series()["last_open_time"].dt.epoch("ms")) + step - request["ticks"] * 4 * step
        if not store.ticks.watermarks("1h"):
            # The run before, which leaves a checkpoint behind.
            runtime = Runtime(store, log, ReplayClock(now))
            tick(runtime, now - step)
            runtime.close()
            return run_apart("benchmarks.big_hub", request)
        runtime = Runtime(store, log, ReplayClock(now))
        started = time.process_time()
        runtime.prepare("1h")
        prepared_s = time.process_time() - started
        tick(runtime, now)
        cold_s = time.process_time()
        gc.collect()
        figures = {"prepared_s": prepared_s, "cold_s": cold_s, "worker_mb": resident_mb() or float("nan")}
        known = store.registry.conditions("1h")[0].condition_id

        def subscribed(number: int) -> None:
            one = SubscriptionRequest(f"late-{number}", "bot", known, "dca", {})
            store.registry.subscribe([one], active_from_ms=now)

        def registered(number: int) -> None:
            fresh = Condition.parse(f"{_symbol(0)} 1h: rsi(14) < {40 + number / 1000}")
            store.registry.register([fresh], active_from_ms=now)

        changes: dict[str, Callable[[int], object]] = {
            "tick_s": lambda _: None,
            "grown_s": subscribed,
            "new_s": registered,
        }
        spent: dict[str, list[float]] = {name: [] for name in changes}
        for number in range(request["ticks"]):
            for name, change in changes.items():
                change(number)
                now += step
                spent[name].append(tick(runtime, now))
        runtime.live.clear()
        judged = store.ticks.ticks().tail(1).row(0, named=True)
        counts = ("series", "isolated_loads", "indicators", "isolated_indicators")
        figures |= {name: float(judged[name]) for name in counts}
    return figures | {name: statistics.median(values) for name, values in spent.items()}


def main() -> None:
    """The processes that are measured: take their sizes from the command line and print their figures as JSON."""
    request = json.loads(sys.argv[1])
    print(json.dumps(_fill(request) if request["does"] == "fill" else _work(request)))


if __name__ == "__main__":
    main()

"""From the close of a candle to its events in Redis, over real scheduled ticks: ``python -m benchmarks.latency``.

The simulated exchange has the closed candle at its close, on the clock of this machine. The hub runs as ``hub up``
starts it: service, Valkey, Prefect's server and its schedules, ingest by websocket, the worker.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from benchmarks.latency_exchange import pairs
from benchmarks.peers.process import ROOT, Peers
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from benchmarks.served import hub_up
from common.settings import load_settings
from common.supervised import free_port
from common.timeframes import DURATION_MS
from events.opening import connect_log
from registry.conditions import Condition
from registry.instruments import Listing
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest

_TIMEFRAME = "1m"
_STEP_MS = DURATION_MS[_TIMEFRAME]
_CHUNK = 10_000
_USERS = 1_000
_PATIENCE_S = 600.0
"""How long the first tick may take to come: the worker starts, and candles are fetched."""
_WANTED_P50_S, _WANTED_P99_S = 0.5, 2.0


class Event(msgspec.Struct):
    """What is read of an event."""

    condition_id: str
    close_time: int
    late: bool


@dataclass(frozen=True)
class Sizes:
    """How much there is to judge, and for how long."""

    instruments: int
    conditions: int
    subscriptions: int
    ticks: int


@dataclass(frozen=True)
class Measured:
    """Seconds from a close to each of its events, and where the time went."""

    events_s: np.ndarray
    last_s: np.ndarray
    """Close -> its last event."""
    stages: dict[str, float]
    """Stage of a run -> its median, in milliseconds."""


def latency(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """The section of the page."""
    sizes = Sizes(scale.latency_instruments, scale.latency_conditions, scale.latency_subscriptions, scale.latency_ticks)
    return section(sizes, measure(sizes))


def section(sizes: Sizes, measured: Measured) -> Section:
    """The figures as tables and targets."""
    rows = [
        [name, *(figure(float(np.percentile(values, share))) for share in (50, 90, 99, 100))]
        for name, values in (("every event", measured.events_s), ("the last event of a close", measured.last_s))
    ]
    remark = (
        f"{sizes.instruments:,} instruments, {sizes.conditions:,} unique conditions, {sizes.subscriptions:,} "
        f"subscriptions, {len(measured.last_s):,} scheduled ticks of {_TIMEFRAME}, {len(measured.events_s):,} events: "
        "seconds from the moment at which the simulated exchange has the closed candle until the event is in Redis. "
        "Simulator, service, Valkey, Prefect's server and worker share the machine."
    )
    stages = [[name, figure(ms)] for name, ms in measured.stages.items()]
    p50, p99 = (float(np.percentile(measured.events_s, share)) for share in (50, 99))
    return Section(
        "From the close of a candle to its events",
        [
            Table(remark, ("seconds", "p50", "p90", "p99", "longest"), rows),
            Table("Where the time goes, medians of the runs.", ("stage", "ms"), stages),
        ],
        [
            at_most("close to event, p50", _WANTED_P50_S, p50, " s"),
            at_most("close to event, p99", _WANTED_P99_S, p99, " s"),
        ],
    )


def measure(sizes: Sizes) -> Measured:
    """Run the hub on the simulated exchange for some ticks."""
    with tempfile.TemporaryDirectory() as made, exchange(sizes.instruments) as url:
        data_dir = Path(made) / "data"
        data_dir.mkdir()
        fill(data_dir, list(_conditions(sizes)), sizes.subscriptions)
        settings = {"HUB_WITHOUT": "", "HUB_EXCHANGE_URLS": json.dumps({"binance": url})}
        with hub_up(data_dir, settings):
            arrived = _events(data_dir, sizes.ticks)
        last = {close_ms: max(values) for close_ms, values in arrived.items()}
        return Measured(
            np.array([value for values in arrived.values() for value in values]),
            np.array(list(last.values())),
            _stages(data_dir, list(arrived)),
        )


@contextmanager
def exchange(instruments: int) -> Iterator[str]:
    """The simulated exchange in a process of its own; its address."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.latency_exchange", str(port), str(instruments)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def fill(data_dir: Path, conditions: Sequence[Condition], subscriptions: int) -> None:
    """Register conditions and subscribe bots to them, as they would be over a long time by HTTP."""
    dice, now_ms = random.Random(3), time.time_ns() // 1_000_000
    with FileStore(data_dir / "store") as store:
        store.candles.list_instruments([Listing(each) for each in {one.series.instrument for one in conditions}])
        for begin in range(0, len(conditions), _CHUNK):
            store.registry.register(conditions[begin : begin + _CHUNK], active_from_ms=now_ms)
        for begin in range(0, subscriptions, _CHUNK):
            wanted = [
                SubscriptionRequest(
                    f"user-{number % _USERS}", f"bot-{number // _USERS}", dice.choice(conditions).id, "dca", {}
                )
                for number in range(begin, min(begin + _CHUNK, subscriptions))
            ]
            store.registry.subscribe(wanted, active_from_ms=now_ms)


def _conditions(sizes: Sizes) -> Iterator[Condition]:
    """One condition of each instrument that fires on every candle, and others that fire now and then."""
    symbols = [pair.base + pair.quote for pair in pairs(sizes.instruments)]
    for number in range(sizes.conditions):
        symbol, place = symbols[number % len(symbols)], number // len(symbols)
        level, period = 20 + place % 11, 7 + place % 15
        texts = (
            f"rsi({period}) crosses_below {level}.{place:03d}",
            f"close < bbands(20, {1.5 + place / 1000}).lower",
            f"ema({period}) crosses_above ema({period + 14 + place % 3})",
            f"macd.histogram > {place / 100}",
        )
        yield Condition.parse(f"{symbol} {_TIMEFRAME}: {texts[place % 4] if place else 'every(close > 0)'}")


def _events(data_dir: Path, ticks: int) -> dict[int, list[float]]:
    """Close time -> seconds until each of its events was there, for some ticks in a row from the second one on."""
    arrived: dict[int, list[float]] = {}
    until, first_ms = time.time() + _PATIENCE_S, 0
    for event, arrived_ms in arriving(data_dir):
        if event is not None and not event.late:
            if not first_ms:
                # The first tick compiles, plans and computes the past.
                first_ms = event.close_time + _STEP_MS
                until = (first_ms + (ticks - 1) * _STEP_MS) / 1000 + 20
            if first_ms <= event.close_time < first_ms + ticks * _STEP_MS:
                arrived.setdefault(event.close_time, []).append((arrived_ms - event.close_time) / 1000)
        if arrived_ms / 1000 > until:
            break
    if len(arrived) < ticks:
        raise RuntimeError(f"events of {len(arrived)} ticks came, not of {ticks}; the log of hub up says why")
    return arrived


def arriving(data_dir: Path) -> Iterator[tuple[Event | None, float]]:
    """The events of the hub and when each was in Redis, in milliseconds; ``None`` now and then while there are none."""
    seq = 0
    with connect_log(load_settings(data_dir=data_dir)) as log:
        while True:
            entries = log.read(seq, 1_000, wait_ms=200)
            arrived_ms = time.time_ns() / 1e6
            for entry in entries:
                seq = entry.seq
                yield msgspec.json.decode(entry.payload, type=Event), arrived_ms
            yield None, arrived_ms


def _stages(data_dir: Path, closes: list[int]) -> dict[str, float]:
    """Medians over the measured runs; a tick is recorded once for each batch of candles that came together."""
    with FileStore(data_dir / "store") as store:
        runs, ticks = store.ticks.runs(), store.ticks.ticks()
    runs = runs.filter(pl.col("tick").dt.epoch("ms").is_in(closes))
    ticks = ticks.filter((pl.col("timeframe") == _TIMEFRAME) & pl.col("close_time").dt.epoch("ms").is_in(closes))
    judged = (pl.col("judged_at") - pl.col("close_time")).dt.total_milliseconds()
    by_close = ticks.group_by("close_time").agg(
        judged.min().alias("first"), judged.max().alias("last"), pl.len().alias("batches"),
        pl.col("load_us", "indicators_us", "judge_us").sum(),
    )  # fmt: skip
    return {
        "close to the first recorded batch": _median(by_close["first"]),
        "close to the last recorded batch": _median(by_close["last"]),
        "batches of a tick (number)": _median(by_close["batches"]),
        "preparing": _median(runs["prepare_us"]) / 1e3,
        "loading": _median(by_close["load_us"]) / 1e3,
        "indicators": _median(by_close["indicators_us"]) / 1e3,
        "judging": _median(by_close["judge_us"]) / 1e3,
        "recording": _median(runs["record_us"]) / 1e3,
        "publishing": _median(runs["publish_us"]) / 1e3,
    }


def _median(values: pl.Series) -> float:
    return float(np.median(values.to_numpy())) if len(values) else float("nan")


def main() -> None:
    """Measure with sizes of one's own, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--instruments", type=int, default=200)
    parser.add_argument("--conditions", type=int, default=10_000)
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--ticks", type=int, default=60)
    sizes = Sizes(**vars(parser.parse_args()))
    measured = section(sizes, measure(sizes))
    print(measured.markdown(""), *(" | ".join((*target.aim, target.result)) for target in measured.targets), sep="\n")


if __name__ == "__main__":
    main()

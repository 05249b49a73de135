"""The close of many timeframes at once: ``python -m benchmarks.storm --starting 2027-01-31T23:48Z``.

As :mod:`benchmarks.latency`, with one close instead of many: that of the day, at which all shorter timeframes end too,
and the week and the month where it is their turn, as at the end of that January. ``--starting`` is the time that all
clocks show at the start (Linux, a C compiler); without it, start in the half hour before 00:00 UTC. ``--closing 1h``
measures the end of the hour instead.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.clock.preloaded import NoOtherClock, run_by_clock
from benchmarks.latency import arriving, exchange, fill
from benchmarks.latency_exchange import pairs
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.served import hub_up
from common.slots import slots_of
from common.timeframes import DURATION_MS, from_ms
from registry.conditions import Condition

_SERIES_AN_INSTRUMENT = 5
"""1m and four of the others in turn: with 200 instruments as many as an exchange's websockets carry."""
_EARLIEST_MS, _LATEST_MS = 30 * 60_000, 4 * 60_000
"""How long before that close it may start, and has to."""
_AFTER_MS = 60_000
_ALWAYS = "every(close > 0)"
_WANTED_P50_S, _WANTED_P99_S = 0.5, 2.0


def measure(instruments: int, conditions: int, subscriptions: int, closing: str) -> Section:
    """Run the hub on the simulated exchange over the next close of a timeframe.

    Raises :class:`RuntimeError` if that is too far away or too near, or if no event comes.
    """
    slots, now_ms = slots_of(closing), time.time_ns() // 1_000_000
    measured_ms = slots.close(slots.number(now_ms))
    if not _LATEST_MS <= measured_ms - now_ms <= _EARLIEST_MS:
        raise RuntimeError(f"start 4 to 30 minutes before {closing} closes at {from_ms(measured_ms):%H:%M} UTC")
    registered = list(_conditions(instruments, conditions))
    with tempfile.TemporaryDirectory() as made, exchange(instruments) as url:
        data_dir = Path(made) / "data"
        data_dir.mkdir()
        fill(data_dir, registered, subscriptions)
        with hub_up(data_dir, {"HUB_WITHOUT": "", "HUB_EXCHANGE_URLS": json.dumps({"binance": url})}):
            arrived = []
            for event, arrived_ms in arriving(data_dir):
                if event is not None and event.close_time == measured_ms:
                    arrived.append((event.condition_id, (arrived_ms - measured_ms) / 1000))
                if arrived_ms > measured_ms + _AFTER_MS:
                    break
    if not arrived:
        raise RuntimeError("no event of that close came within a minute: is the machine busy with something else?")
    due = [one for one in registered if _closes(one.timeframe, measured_ms)]
    timeframe_of = {one.id: one.timeframe for one in due}
    delays = {name: [each for id_, each in arrived if timeframe_of[id_] == name] for name in DURATION_MS}
    rows = [
        [name, f"{len(values):,}", *(figure(float(np.percentile(values, share))) for share in (50, 90, 99, 100))]
        for name, values in {"all": [each for _, each in arrived], **delays}.items()
        if values
    ]
    closing_series = len({(one.instruments, one.timeframe) for one in due})
    remark = (
        f"{instruments:,} instruments, {instruments * _SERIES_AN_INSTRUMENT:,} series, of which {closing_series:,} "
        f"close at {from_ms(measured_ms):%Y-%m-%d %H:%M} UTC, {len(registered):,} unique conditions, {subscriptions:,} "
        f"subscriptions; seconds from the close until the event is in Redis. {len(arrived):,} events, of which "
        f"{sum(str(one).endswith(_ALWAYS) for one in due):,} were certain."
    )
    p50, p99 = (float(np.percentile([each for _, each in arrived], share)) for share in (50, 99))
    return Section(
        "Many timeframes close at once",
        [Table(remark, ("timeframe", "events", "p50", "p90", "p99", "longest"), rows)],
        [
            at_most("close of all timeframes to event, p50", _WANTED_P50_S, p50, " s"),
            at_most("close of all timeframes to event, p99", _WANTED_P99_S, p99, " s"),
        ],
    )


def _closes(timeframe: str, time_ms: int) -> bool:
    slots = slots_of(timeframe)
    return slots.close(slots.number(time_ms - 1)) == time_ms


def _conditions(instruments: int, count: int) -> Iterator[Condition]:
    """The same number of each series; the first of a series fires on every candle."""
    others = [timeframe for timeframe in DURATION_MS if timeframe != "1m"]
    dice = random.Random(7)
    series = [
        (pair.base + pair.quote, timeframe)
        for number, pair in enumerate(pairs(instruments))
        for timeframe in ("1m", *(others[(number + step) % len(others)] for step in (0, 4, 8, 11)))
    ]
    for number in range(count):
        symbol, timeframe = series[number % len(series)]
        place = number // len(series)
        period, level = 5 + place % 11, dice.randrange(20, 40)
        texts = (
            f"rsi({period}) crosses_below {level}",
            f"close < sma({period + 9})",
            f"ema({period}) crosses_above ema(21)",
        )
        yield Condition.parse(f"{symbol} {timeframe}: {texts[place % 3] if place else _ALWAYS}")


def _start_at(starting: datetime) -> None:
    """Have this program's clocks, and those of all that it starts, show another time."""
    try:
        run_by_clock(
            "benchmarks.storm",
            sys.argv[1:],
            Path(tempfile.mkdtemp(prefix="storm-clock-")),
            starts_ms=int(starting.timestamp() * 1000),
        )
    except NoOtherClock as error:
        sys.exit(f"{error}; leave --starting out to run in real time")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm", description=__doc__)
    parser.add_argument("--instruments", type=int, default=200)
    parser.add_argument("--conditions", type=int, default=10_000)
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--closing", type=str, default="1d")
    parser.add_argument("--starting", type=datetime.fromisoformat)
    asked = vars(parser.parse_args())
    if (starting := asked.pop("starting")) is not None:
        _start_at(starting.replace(tzinfo=starting.tzinfo or UTC))
    section = measure(**asked)
    print(section.markdown(""), *(" | ".join((*target.aim, target.result)) for target in section.targets), sep="\n")


if __name__ == "__main__":
    main()

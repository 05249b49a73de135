"""The HTTP service: this process generates load with the project's client, the hub is another process on this machine.

Every latency therefore includes the client, and both share the machine's cores.
"""

import asyncio
import gc
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import candles
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, Target, at_least, at_most, figure
from benchmarks.scale import Scale
from benchmarks.served import Served, hub_up
from engine.warming import warm
from registry.client import AsyncHubClient, HubClient
from registry.conditions import Condition
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest

_CLIENTS = 8
_A_SECOND = 500
_WORKERS = 32
_BULK_ROUNDS = 5
_HOURS = 8_760
_UNLIMITED = {
    "HUB_API_RATE_READ": "9000000/minute",
    "HUB_API_RATE_WRITE": "9000000/minute",
    "HUB_API_RATE_BULK": "9000000/minute",
    "HUB_API_RATE_COMPUTE": "9000000/minute",
    "HUB_QUOTA_CONDITIONS": "100000000",
    "HUB_QUOTA_SUBSCRIPTIONS": "100000000",
}
_CONDITIONS_A_USER = 100
_CHUNK = 10_000


@dataclass(frozen=True)
class _Spent:
    """The cost of requests: seconds of each and of all, and CPU seconds of the service and of this process."""

    each: Sequence[float]
    wall: float
    service_cpu: float
    client_cpu: float

    @property
    def a_second(self) -> float:
        return len(self.each) / self.wall

    def at(self, share: float) -> float:
        """Milliseconds within which that share of the requests was answered."""
        return sorted(self.each)[min(len(self.each) - 1, int(share * len(self.each)))] * 1e3

    def row(self, what: str) -> list[str]:
        cpu = [figure(seconds / len(self.each) * 1e3) for seconds in (self.service_cpu, self.client_cpu)]
        return [what, figure(self.a_second), *(figure(self.at(share)) for share in (0.5, 0.95, 0.99)), *cpu]


def service(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """One hub with an empty registry, and one with many subscriptions; kernels are compiled beforehand."""
    warm(lambda _: None)
    # What this process has loaded is not the client's: a collector that looks through it would count as its time.
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as made:
        empty = filled(Path(made) / "empty", 0, 1, minutes=scale.minutes)
        with hub_up(Path(made) / "empty", _UNLIMITED) as served:
            served.settle()
            tables, targets = _registering(scale, served, empty[0])
            table, target = _previewing(scale, served, empty[0])
            typing_table, typing_target = _typing(scale, served, empty[0])
        tables += [table, typing_table]
        targets += [target, typing_target]
        keys = filled(Path(made) / "full", scale.stored_subscriptions, 20)
        with hub_up(Path(made) / "full", _UNLIMITED) as served:
            served.settle()
            table, others = _asking(scale, served, keys)
    return Section("The HTTP service", [*tables, table], [*targets, *others])


def _registering(scale: Scale, served: Served, key: str) -> tuple[list[Table], list[Target]]:
    wanted = _conditions(random.Random(3))
    asyncio.run(_warm(served, key, wanted))
    paced = asyncio.run(_paced(served, key, list(itertools.islice(wanted, scale.registrations))))
    driven = asyncio.run(_driven(served, key, list(itertools.islice(wanted, scale.registrations))))
    remark = (
        f"{scale.registrations:,} registrations of new conditions from {_CLIENTS} clients to a hub that has loaded its"
        f" kernels, client included: {_A_SECOND}"
        " a second sent on time, whatever came back (latency counts from when a request was due), and"
        f" {_WORKERS} at a time. CPU is that of a request, in the service and in the client."
    )
    header = ("load", "a second", "median, ms", "p95, ms", "p99, ms", "service, CPU ms", "client, CPU ms")
    rows = [paced.row(f"{_A_SECOND} a second"), driven.row(f"{_WORKERS} at a time")]
    rounds = [list(itertools.islice(wanted, scale.bulk_conditions)) for _ in range(_BULK_ROUNDS)]
    known = rounds[0][: scale.bulk_conditions // 10]
    shared = [random.Random(4).choices(known, k=scale.bulk_conditions) for _ in rounds]
    bulk_rows = []
    rates = {}
    with HubClient(served.url, key) as client:
        for name, lists in (("all of them new", rounds), ("a tenth of them different, known", shared)):
            spent = [_timed(served, lambda texts=texts: len(client.register_many(texts))) for texts in lists]  # type: ignore[misc]
            wall, service_cpu, client_cpu = (
                statistics.median(taken) / scale.bulk_conditions
                for taken in zip(*((one.wall, one.service_cpu, one.client_cpu) for one in spent), strict=True)
            )
            rates[name] = 1 / wall
            bulk_rows.append([name, figure(rates[name]), figure(service_cpu * 1e6), figure(client_cpu * 1e6)])
    bulk = (
        f"{scale.bulk_conditions:,} conditions as flat JSON by `register_many`, 1,000 a request, one after the other;"
        f" medians of {_BULK_ROUNDS} rounds."
    )
    bulk_header = ("conditions", "a second", "service, CPU us", "client, CPU us")
    targets = [
        at_least("registrations from concurrent clients", _A_SECOND, driven.a_second, " a second"),
        at_most(f"p95 of registrations at {_A_SECOND} a second", 50.0, paced.at(0.95), " ms"),
        at_least("bulk registration, new conditions", 20_000, rates["all of them new"], " a second"),
    ]
    return [Table(remark, header, rows), Table(bulk, bulk_header, bulk_rows)], targets


def _previewing(scale: Scale, served: Served, key: str) -> tuple[Table, Target]:
    texts = (
        f"BTCUSDT 1h: rsi({period}) crosses_below 30 and close > sma({period * 9})" for period in itertools.count(5)
    )
    with HubClient(served.url, key) as client:
        first = _timed(served, lambda: client.preview(next(texts)))
        later = [_timed(served, lambda: client.preview(next(texts))).wall for _ in range(scale.rounds)]
    median = statistics.median(later)
    rows = [["the first", figure(first.wall * 1e3)], ["later ones, median", figure(median * 1e3)],
            ["later ones, slowest", figure(max(later) * 1e3)]]  # fmt: skip
    remark = f"Previews of different conditions on {_HOURS:,} candles of 1h, milliseconds, client included."
    return Table(remark, ("preview", "ms"), rows), at_most("preview of a year of 1h candles", 0.5, median, " s")


def _typing(scale: Scale, served: Served, key: str) -> tuple[Table, Target]:
    """Somebody tries one threshold after the other."""
    levels = itertools.count(2000)
    kinds = {
        "one indicator": "BTCUSDT 1m: rsi(14) crosses_below {}",
        "three, and a window": "BTCUSDT 1m: all(rsi < {}, close > sma(200), volume > sma(20, volume)) within 5 bars",
        "another timeframe": "BTCUSDT 1m: rsi(14)@1h < {} and close < bbands.lower",
    }
    rows, slowest = [], 0.0
    with HubClient(served.url, key) as client:
        for name, template in kinds.items():
            texts = (template.format(next(levels) / 100) for _ in itertools.count())
            first = _seconds(lambda texts=texts: client.preview(next(texts)))  # type: ignore[misc]
            # As many as a 95th percentile needs.
            count, before = max(40, scale.rounds), served.cpu_s
            later = [_seconds(lambda texts=texts: client.preview(next(texts))) for _ in range(count)]  # type: ignore[misc]
            spent = _Spent(later, sum(later), served.cpu_s - before, 0)
            cpu = spent.service_cpu / count * 1e3
            rows.append([name, *map(figure, (first * 1e3, spent.at(0.5), spent.at(0.95), cpu))])
            slowest = max(slowest, spent.at(0.95))
    remark = (
        f"Previews of {scale.minutes:,} candles of 1m, one threshold after the other; milliseconds, client included."
        " CPU is that of a later one, in the service."
    )
    header = ("condition", "the first", "later ones, median", "later ones, p95", "CPU")
    return Table(remark, header, rows), at_most("preview of a year of 1m candles, warm, p95", 30.0, slowest, " ms")


def _asking(scale: Scale, served: Served, keys: Sequence[str]) -> tuple[Table, list[Target]]:
    ids = [condition.id for condition in _stored_conditions(scale.stored_subscriptions)]
    dice = random.Random(6)
    asked: dict[str, list[float]] = {"status": [], "listing": []}
    with HubClient(served.url, keys[0]) as client:
        for _ in range(50):
            client.status(dice.choice(ids))
    for key in keys:
        with HubClient(served.url, key) as client:
            client.get("/health/live")
            for _ in range(scale.asked // len(keys) + 1):
                asked["status"].append(_seconds(lambda: client.status(dice.choice(ids))))
                asked["listing"].append(
                    _seconds(lambda: client.get("/conditions/user/subscriptions").raise_for_status())
                )
    status, listing = (_Spent(asked[name], 1, 0, 0) for name in ("status", "listing"))
    rows = [
        ["start, s", figure(served.started_s)],
        ["memory of the process, MB", figure(served.resident_mb)],
        ["status, median and p95, ms", f"{figure(status.at(0.5))}, {figure(status.at(0.95))}"],
        [f"listing {_CONDITIONS_A_USER} subscriptions, median and p95, ms",
         f"{figure(listing.at(0.5))}, {figure(listing.at(0.95))}"],
    ]  # fmt: skip
    remark = (
        f"A hub that holds {scale.stored_subscriptions:,} subscriptions to {len(ids):,} conditions; client included."
    )
    targets = [
        at_most(f"status with {scale.stored_subscriptions:,} subscriptions, median", 10.0, status.at(0.5), " ms"),
        at_most(f"listing with {scale.stored_subscriptions:,} subscriptions, median", 10.0, listing.at(0.5), " ms"),
    ]
    return Table(remark, ("what", "measured"), rows), targets


async def _warm(served: Served, key: str, wanted: Iterator[dict[str, object]]) -> None:
    async with AsyncHubClient(served.url, key) as client:
        await asyncio.gather(*(client.register_condition(next(wanted)) for _ in range(100)))


async def _paced(served: Served, key: str, wanted: Sequence[dict[str, object]]) -> _Spent:
    """Send each request when it is due, however many are in flight."""
    each: list[float] = []

    async def one(client: AsyncHubClient, condition: dict[str, object], due: float) -> None:
        await asyncio.sleep(due - time.perf_counter())
        await client.register_condition(condition)
        each.append(time.perf_counter() - due)

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(AsyncHubClient(served.url, key)) for _ in range(_CLIENTS)]
        await asyncio.gather(*(client.get("/health/live") for client in clients))
        before = served.cpu_s, time.process_time()
        started = time.perf_counter() + 0.1
        await asyncio.gather(
            *(
                one(clients[number % _CLIENTS], condition, started + number / _A_SECOND)
                for number, condition in enumerate(wanted)
            )
        )
        wall = time.perf_counter() - started
        return _Spent(each, wall, served.cpu_s - before[0], time.process_time() - before[1])


async def _driven(served: Served, key: str, wanted: Sequence[dict[str, object]]) -> _Spent:
    """Keep a fixed number of requests in flight, sending the next as soon as one is answered."""
    each: list[float] = []
    left = iter(wanted)

    async def worker(client: AsyncHubClient) -> None:
        for condition in left:
            started = time.perf_counter()
            await client.register_condition(condition)
            each.append(time.perf_counter() - started)

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(AsyncHubClient(served.url, key)) for _ in range(_CLIENTS)]
        await asyncio.gather(*(client.get("/health/live") for client in clients))
        before = served.cpu_s, time.process_time()
        started = time.perf_counter()
        await asyncio.gather(*(worker(clients[number % _CLIENTS]) for number in range(_WORKERS)))
        wall = time.perf_counter() - started
        return _Spent(each, wall, served.cpu_s - before[0], time.process_time() - before[1])


def _timed(served: Served, call: Callable[[], object]) -> _Spent:
    before = served.cpu_s, time.process_time()
    wall = _seconds(call)
    return _Spent([wall], wall, served.cpu_s - before[0], time.process_time() - before[1])


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _conditions(dice: random.Random) -> Iterator[dict[str, object]]:
    """Conditions as bots send them, all different."""
    for number in itertools.count():
        yield {
            "symbol": "BTCUSDT",
            "timeframe": "1h",
            "indicator": dice.choice(("RSI", "CCI", "ROC", "MOM", "ADX")),
            "operator": dice.choice(("<", ">", "crosses_above", "crosses_below")),
            "value": number / 1000,
            "period": dice.randint(5, 100),
        }


def _stored_conditions(subscriptions: int) -> list[Condition]:
    """One condition for every fifty subscriptions."""
    count = max(1, subscriptions // 50)
    return [Condition.parse(text) for text in itertools.islice(_conditions(random.Random(7)), count)]


def filled(data_dir: Path, subscriptions: int, users: int, *, minutes: int = 0) -> list[str]:
    """Make a data folder with a year of 1h candles, so many of 1m, and some subscriptions; returns the keys of its
    first users."""
    data_dir.mkdir()
    with FileStore(data_dir / "store") as store:
        store.candles.upsert(candles.frame(candles.series(_HOURS, timeframe="1h"), "BTCUSDT", "1h"))
        if minutes:
            store.candles.upsert(candles.frame(candles.series(minutes, timeframe="1m"), "BTCUSDT", "1m"))
        made = [new_key(f"user-{number}", "user", "", 0) for number in range(users)]
        for key, _ in made:
            store.accounts.add_key(key)
        conditions = _stored_conditions(subscriptions) if subscriptions else []
        for begin in range(0, len(conditions), _CHUNK):
            store.registry.register(conditions[begin : begin + _CHUNK], active_from_ms=0)
        dice = random.Random(8)
        for begin in range(0, subscriptions, _CHUNK):
            requests = [
                SubscriptionRequest(
                    f"user-{number // _CONDITIONS_A_USER}", f"bot-{number % 3}", dice.choice(conditions).id, "dca", {}
                )
                for number in range(begin, min(begin + _CHUNK, subscriptions))
            ]
            store.registry.subscribe(requests, active_from_ms=0)
    return [text for _, text in made]

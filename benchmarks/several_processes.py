"""A hub in several processes on one machine: ``python -m benchmarks.several_processes postgresql://… redis://…``.

The database has to be empty, and the event log too. Prints how many registrations, status requests and streamed events
a second one and two API processes answer, and how many ticks a second one, two and four recorders commit, each of a
shard of its own. All of them, both servers and the clients share the machine's cores.
"""

import argparse
import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import httpx
import polars as pl

from benchmarks import candles
from benchmarks.peers.process import ROOT
from benchmarks.report import Table, figure
from benchmarks.served import Served, hub_up
from common.timeframes import from_ms
from events.log.publisher import drain
from events.log.redis_log import RedisEventLog
from events.server import connect_to
from registry.client import AsyncHubClient
from registry.groups import Group, Series
from registry.keys import new_key
from registry.store import open_store
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove
from registry.store.protocol import Store

_HOUR_MS = 3_600_000
_TRIGGERS = 20
"""Of each tick."""
_COMMITS, _ASKED, _AT_ONCE = 160, 600, 32
_STREAMS, _FIRED = 50, 50
_SETTLING_S, _IDLE_SHARE = 60.0, 0.15
_FREE = {
    "HUB_API_RATE_READ": "9000000/minute",
    "HUB_API_RATE_WRITE": "9000000/minute",
    "HUB_API_RATE_STREAM": "9000000/minute",
    "HUB_API_STREAMS_PER_USER": "1000",
    "HUB_QUOTA_CONDITIONS": "100000000",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.several_processes", description=__doc__)
    parser.add_argument("database", help="an empty database: postgresql://…")
    parser.add_argument("log", help="a Redis or Valkey server without an event log: redis://…")
    parser.add_argument("--record", type=int, nargs=2, metavar=("SHARD", "TICKS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        _record(options.database, *options.record)
        return
    print(_committing(options.database).markdown(), end="\n\n", flush=True)
    print(_answering(options.database, options.log).markdown())


def _committing(database: str) -> Table:
    rows = []
    for recorders in (1, 2, 4):
        # Each time other shards, whose watermarks begin.
        first = 10 * recorders
        with ExitStack() as stack:
            started = [
                stack.enter_context(_recorder(database, first + number, _COMMITS // recorders))
                for number in range(recorders)
            ]
            begun = time.perf_counter()
            for process in started:
                _say(process)
            cpu_s = sum(float(_hear(process)) for process in started)
            seconds = time.perf_counter() - begun
        rows.append([str(recorders), figure(_COMMITS / seconds), figure(cpu_s / _COMMITS * 1e3)])
    return Table(
        f"{_COMMITS} ticks of {_TRIGGERS} triggers each, recorded by so many processes at once, each on its own group.",
        ("recorders", "commits a second", "CPU ms of a recorder for each"),
        rows,
    )


@contextmanager
def _recorder(database: str, shard: int, ticks: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.several_processes", database, "-", "--record", str(shard), str(ticks)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        _hear(process)
        yield process


def _record(database: str, shard: int, ticks: int) -> None:
    """One recorder: ready when it has said so, begins when it is told to, and says its CPU seconds."""
    with open_store(database) as store:
        record = _Recording(store, f"SHARD{shard}USDT")
        print("ready", flush=True)
        sys.stdin.readline()
        before = time.process_time()
        for _ in range(ticks):
            record([f"{number:032x}" for number in range(_TRIGGERS)])
        print(time.process_time() - before, flush=True)


class _Recording:
    """Records one hourly tick of a symbol after the other."""

    def __init__(self, store: Store, symbol: str, begin_ms: int = 0) -> None:
        self._store, self._symbol = store, symbol
        self._series = Series.parse(f"BINANCE:{symbol} 1h")
        self._upto: int | None = None
        self._begin_ms = begin_ms

    def __call__(self, condition_ids: Sequence[str]) -> None:
        before = self._upto
        close_ms = (self._begin_ms if before is None else before) + _HOUR_MS
        triggers = pl.DataFrame(
            {
                "trigger_id": [f"{condition_id}:{self._symbol}:{close_ms}" for condition_id in condition_ids],
                "condition_id": condition_ids,
                "exchange": "BINANCE",
                "symbol": self._symbol,
                "timeframe": "1h",
                "open_time": from_ms(close_ms - _HOUR_MS),
                "close_time": from_ms(close_ms),
                "values": '{"close":1.5}',
                "price": 1.5,
                "settled": True,
                "late": False,
                "definition_versions": "",
            }
        ).with_columns(pl.col("open_time", "close_time").dt.cast_time_unit("ms"))
        self._store.ticks.record_tick(
            TickRecord(
                timeframe="1h",
                close_time_ms=close_ms,
                late=False,
                moves=(WatermarkMove(Group((self._series,)), before, close_ms),),
                triggers=triggers,
                holes=(),
                anchors={} if before is not None else {self._series: self._begin_ms},
                metrics=TickMetrics(**dict.fromkeys(TickMetrics.__dataclass_fields__, 1)),
            )
        )
        self._upto = close_ms


def _answering(database: str, log: str) -> Table:
    rows: list[list[str]] = []
    shared = _FREE | {"HUB_STORE_URL": database, "REDIS_URL": log, "HUB_ROLE": "api"}
    texts = (f"BTCUSDT 1h: close > {number}" for number in itertools.count(1))
    with tempfile.TemporaryDirectory() as made:
        for name, settings, services in (
            ("files, 1 process", _FREE, 1),
            ("Postgres, 1 process", shared, 1),
            ("Postgres, 2 processes", shared, 2),
        ):
            folder = Path(made) / name.replace(" ", "-")
            folder.mkdir()
            address = settings.get("HUB_STORE_URL", f"duckdb:{folder / '0' / 'store'}")
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows += _served(name, address, settings, services, folder, texts)
    return Table(
        f"{_ASKED} requests, {_AT_ONCE} at a time, spread over the processes; and {_FIRED} triggers for each of"
        f" {_STREAMS} streams. CPU is that of all API processes, for each request or event.",
        ("store", "what", "a second", "API, CPU ms", "client, CPU ms"),
        rows,
    )


def _served(
    name: str, address: str, settings: Mapping[str, str], services: int, folder: Path, texts: Iterator[str]
) -> list[list[str]]:
    with ExitStack() as stack:
        folders = [folder / str(number) for number in range(services)]
        for data_dir in folders:
            data_dir.mkdir()
        key, text = new_key(f"user of {name}", "user", "", 0)
        with open_store(address) as store:
            store.candles.upsert(candles.frame(candles.series(500, timeframe="1h"), "BTCUSDT", "1h"))
            store.accounts.add_key(key)
        served = [stack.enter_context(hub_up(data_dir, settings)) for data_dir in folders]
        _settle(served)
        return asyncio.run(_asked(name, served, text, texts, address, settings.get("REDIS_URL")))


def _settle(served: Sequence[Served]) -> None:
    """Wait until kernels are loaded; a service that looks at a shared store is never quite idle."""
    until = time.perf_counter() + _SETTLING_S
    while time.perf_counter() < until:
        before = sum(each.cpu_s for each in served)
        time.sleep(1)
        if sum(each.cpu_s for each in served) - before < _IDLE_SHARE * len(served):
            return


async def _asked(
    name: str, served: Sequence[Served], key: str, texts: Iterator[str], address: str, log: str | None
) -> list[list[str]]:
    rows = []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(AsyncHubClient(each.url, key)) for each in served]
        turns = itertools.cycle(clients)
        ids: list[str] = []

        async def register() -> None:
            ids.append((await next(turns).register_condition(next(texts))).condition_id)

        async def status() -> None:
            await next(turns).status(ids[0])

        for what, ask in (("registrations", register), ("status requests", status)):
            for _ in range(20):
                await ask()
            rows.append([name, what, *await _spent(served, _ASKED, _many(ask))])
        if log is not None:
            for condition_id in ids[:_FIRED]:
                await clients[0].subscribe_bot("b", condition_id, "dca", {})
            rows.append([name, "streamed events", *await _streamed(served, key, ids[:_FIRED], address, log)])
    return rows


def _many(ask: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[object]]:
    async def all_of_them() -> None:
        left = iter(range(_ASKED))

        async def asking() -> None:
            for _ in left:
                await ask()

        await asyncio.gather(*(asking() for _ in range(_AT_ONCE)))

    return all_of_them


async def _streamed(
    served: Sequence[Served], key: str, condition_ids: Sequence[str], address: str, log: str
) -> list[str]:
    opened = asyncio.Semaphore(0)

    async def read(client: httpx.AsyncClient, url: str) -> None:
        count = 0
        async with client.stream("GET", f"{url}/events") as stream:
            async for part in stream.aiter_bytes():
                opened.release()
                count += part.count(b"event: trigger")
                if count >= len(condition_ids):
                    return

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=120, limits=limits) as client:
        readers = [asyncio.create_task(read(client, served[at % len(served)].url)) for at in range(_STREAMS)]
        for _ in readers:
            await opened.acquire()
        with open_store(address) as store:
            begin_ms = int(time.time() * 1000) // _HOUR_MS * _HOUR_MS + _HOUR_MS
            recording = _Recording(store, f"STREAMED{len(served)}USDT", begin_ms)

            async def fire() -> None:
                await asyncio.to_thread(recording, condition_ids)
                await asyncio.to_thread(drain, store, RedisEventLog(connect_to(log)))
                await asyncio.gather(*readers)

            return await _spent(served, _STREAMS * len(condition_ids), fire)


async def _spent(served: Sequence[Served], count: int, work: Callable[[], Awaitable[object]]) -> list[str]:
    """How many a second, and the CPU milliseconds for each, of all services and of this process."""
    before, own = sum(each.cpu_s for each in served), time.process_time()
    begun = time.perf_counter()
    await work()
    seconds = time.perf_counter() - begun
    cpu_s = sum(each.cpu_s for each in served) - before
    return [figure(count / seconds), figure(cpu_s / count * 1e3), figure((time.process_time() - own) / count * 1e3)]


def _say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


if __name__ == "__main__":
    main()

"""What the processes of these tests do. Each knows only its arguments, as a process of the hub does."""

import asyncio
import random
import resource
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from bots.executor.feed import CandleFeed
from common import failpoints
from common.clock import Clock, ReplayClock, SystemClock
from common.errors import EventLogAhead, EventLogError, StoreError
from events.consuming.consumer import Consumer
from events.consuming.delivery import Delivery
from events.consuming.ledger import Ledger, client_order_id
from events.log.keeper import LogKeeper, keeping
from events.log.payload import Event
from events.log.publisher import drain
from events.log.reconciliation import reconcile
from events.log.redis_log import EventLog, RedisEventLog
from events.server import connect_to
from events.webhooks.sender import CONSUMER as WEBHOOKS
from events.webhooks.sender import sending
from flows.advance import advance
from flows.runtime import Runtime
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from registry.store.remote.endpoint import store_interface
from registry.store.remote.http_store import HttpStore
from tests.bots.executor.lab import Lab
from tests.chaos import mutants, scene
from tests.chaos.checks import Rest
from tests.chaos.exchange import Exchange
from tests.chaos.messy_feed import MessyFeed
from tests.chaos.processes import EFFORT
from tests.events.log.memory_log import MemoryLog
from tests.waiting import wait_for

_Result = TypeVar("_Result")

PATIENCE_S = 40.0 if EFFORT == 1 else 200.0
"""How long a process waits for a server or an owner that is killed repeatedly, perhaps before it ever answers."""
TOKEN = "chaos"
REFUSED = 3
NOW = datetime(2024, 8, 5)  # noqa: DTZ001 (as the tables keep times)


def evaluate(
    *,
    store: Path,
    url: str,
    ticks: int,
    most: int | None = None,
    failpoint: str = "",
    mutant: str | None = None,
    judged: Path | None = None,
    at_once: bool = False,
    restless: int | None = None,
    file_limit: int | None = None,
    latecomer: int | None = None,
) -> None:
    """Own the store, judge tick after tick up to ``ticks`` (at most ``most`` of them), and publish everything.

    ``judged`` is a file that is created once everything is judged, published or not. ``at_once``: in one late run.
    ``restless``: with a jumping clock of this seed. ``file_limit``: no file may grow beyond this many bytes.
    ``latecomer``: the tick after which the latecomer is registered.
    """
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    mutants.switch_on(mutant)
    failpoints.arm(failpoint)
    with FileStore(store, clock=ReplayClock(scene.START_MS)) as opened:
        log = open_log(url)
        bring_together(opened, log)
        if latecomer is not None:
            opened.registry.register([scene.latecomer()], active_from_ms=scene.close_of(latecomer))
        if at_once:
            clock = ReplayClock(scene.close_of(ticks))
            asyncio.run(advance(Runtime(opened, log, clock), "5m", clock.now_ms()))
        else:
            judge(opened, log, ticks, most, restless)
        if judged is not None:
            judged.touch()
        publish(opened, log)


def recover(*, store: Path, events: Path, owner: str, ticks: int) -> None:
    """Open damaged files beside an undamaged log, go on judging, and check the outcome.

    ``owner`` is the identity of the store that owns the log. Files that are refused with an error of the hub end the
    process with ``REFUSED``.
    """
    log = MemoryLog(owner, msgspec.json.decode(events.read_bytes(), type=list[Event]))
    try:
        with FileStore(store, clock=ReplayClock(scene.START_MS)) as opened:
            reconcile(opened, log)
            judge(opened, log, ticks)
            drain(opened, log)
    except StoreError:
        sys.exit(REFUSED)
    Rest.of(store, log).check(ticks)


def own(*, store: Path, url: str, port: int, failpoint: str = "") -> None:
    """Own the store on behalf of other processes, and keep the log, as the owner of a running hub does."""
    failpoints.arm(failpoint)
    clock = ReplayClock(scene.START_MS)
    with FileStore(store, clock=clock) as opened, keeping(LogKeeper(opened, open_log(url), clock)):
        app = Starlette(routes=[Mount("/store", store_interface(opened, TOKEN))])
        uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off")).run()


def work(*, port: int, url: str, ticks: int, runs: int = 1, failpoint: str = "") -> None:
    """Judge with another process's store; ``runs`` threads do the same at once."""
    failpoints.arm(failpoint)
    with (
        HttpStore(f"http://127.0.0.1:{port}", token=TOKEN, patience_s=PATIENCE_S) as opened,
        ThreadPoolExecutor(runs) as threads,
    ):
        for run in [threads.submit(judge, opened, open_log(url), ticks) for _ in range(runs)]:
            run.result()


def feed(*, store: Path, url: str, ticks: int, seed: int, failpoint: str = "") -> None:
    """Own the store, and get its candles from an unruly feed along the way."""
    failpoints.arm(failpoint)
    messy = MessyFeed(seed)
    with FileStore(store, clock=ReplayClock(scene.START_MS)) as opened:
        log = open_log(url)
        bring_together(opened, log)
        reached = min(opened.ticks.watermarks("5m").values(), default=scene.START_MS)
        clock = ReplayClock(reached)
        runtime = Runtime(opened, log, clock)
        for tick in range(scene.tick_of(reached) + 1, ticks + 1):
            clock.move_to(scene.close_of(tick))
            messy.bring(opened, tick)
            asyncio.run(advance(runtime, "5m", scene.close_of(tick)))
        messy.bring(opened, ticks, everything=True)
        asyncio.run(advance(runtime, "5m", scene.close_of(ticks)))
        publish(opened, log)


def consume(
    *, port: int, url: str, folder: Path, until: int, failpoint: str = "", mutant: str | None = None, poison: int = 0
) -> None:
    """A bot worker: act once at an exchange on each trigger of its subscriptions, until ``until`` is applied.

    Triggers whose ``seq`` is a multiple of ``poison`` cannot be handled.
    """
    mutants.switch_on(mutant)
    failpoints.arm(failpoint)
    clock = ReplayClock(scene.close_of(scene.TICKS))
    with (
        HttpStore(f"http://127.0.0.1:{port}", token=TOKEN, patience_s=PATIENCE_S) as store,
        Ledger(folder / "ledger") as ledger,
        Exchange(folder / "exchange") as exchange,
    ):

        def handle(delivery: Delivery) -> None:
            if poison and delivery.event.seq % poison == 0:
                raise ValueError("this trigger cannot be handled")
            bot, event = delivery.subscription.bot_id, delivery.event
            ledger.perform(
                client_order_id(bot, event.condition_id, event.close_time, "buy"),
                lambda order_id: exchange.order(order_id, bot, event),
                confirm=exchange.knows,
            )

        consumer = Consumer(
            "bots", open_log(url), store, ledger, handle, clock, start=0, retry_after_s=(0.0, 0.0, 0.0, 0.0)
        )
        stop = threading.Event()
        thread = threading.Thread(target=consumer.run, args=(stop,), daemon=True)
        thread.start()

        def is_done() -> bool:
            return (consumer.seq >= until and not _waiting(ledger)) or not thread.is_alive()

        wait_for(is_done, f"all up to trigger {until} to be applied", PATIENCE_S)
        stop.set()
        thread.join()


def send(*, store: Path, url: str, folder: Path, failpoint: str = "") -> None:
    """Own the store, and post to its webhooks until everything is sent."""
    failpoints.arm(failpoint)
    clock = SystemClock()
    with FileStore(store, clock=clock) as opened:
        log = open_log(url)
        with sending(opened, log, folder / "webhooks.ledger", clock, allow_loopback=True) as webhooks:
            wait_for(lambda: not _lags(log) and not webhooks.outbox.firsts(), "everything to be sent", PATIENCE_S)


def _lags(log: RedisEventLog) -> bool:
    """Whether the webhooks' consumer has something left to apply."""
    (applied,) = [group.applied_seq for group in log.groups() if group.name == WEBHOOKS] or [-1]
    return applied < log.last_seq()


def _waiting(ledger: Ledger) -> int:
    """How many deliveries wait for another attempt, or were given up and are not in the dead letters yet."""
    with ledger.transaction() as transaction:
        return int(transaction.execute("SELECT count(*) FROM held WHERE state <> 'told'").fetchone()[0])


def register(*, port: int, client: int, count: int, acknowledged: Path) -> None:
    """A user who registers conditions, subscribes, ends every third subscription, and notes what was acknowledged."""
    dice = random.Random(client)
    with (
        HttpStore(f"http://127.0.0.1:{port}", token=TOKEN, patience_s=PATIENCE_S) as store,
        acknowledged.open("a", buffering=1) as notes,
    ):
        for number in range(count):
            condition = scene.wanted_by_many(dice.randrange(40))
            store.registry.register([condition], active_from_ms=scene.START_MS)
            bot = f"bot-{number}"
            request = SubscriptionRequest(f"user-{client}", bot, condition.id, "dca", {"secret": client})
            store.registry.subscribe([request], active_from_ms=scene.START_MS)
            notes.write(f"subscribed user-{client} {bot} {condition.id}\n")
            if number % 3 == 2:
                store.registry.unsubscribe(f"user-{client}", bot, condition.id, at_ms=scene.START_MS)
                notes.write(f"ended user-{client} {bot} {condition.id}\n")


class RestlessClock:
    """A clock that is set back and forth by hours, and stands still in between."""

    def __init__(self, seed: int, around_ms: int) -> None:
        self._dice = random.Random(seed)
        self._around_ms = around_ms

    def now_ms(self) -> int:
        return self._around_ms + self._dice.choice((-1, 0, 0, 1)) * 3_600_000

    async def sleep_until(self, time_ms: int) -> None:
        self._around_ms = max(self._around_ms, time_ms)


def judge(store: Store, log: EventLog, ticks: int, most: int | None = None, restless: int | None = None) -> None:
    """Judge tick after tick, from the watermarks on."""
    reached = min(store.ticks.watermarks("5m").values(), default=scene.START_MS)
    first = scene.tick_of(reached) + 1
    start_ms = scene.close_of(first)
    clock: Clock = ReplayClock(start_ms) if restless is None else RestlessClock(restless, start_ms)
    runtime = Runtime(store, log, clock)
    for tick in range(first, min(ticks, first + (most or ticks) - 1) + 1):
        asyncio.run(advance(runtime, "5m", scene.close_of(tick)))
    runtime.close()


def bring_together(store: Store, log: EventLog) -> None:
    """Reconcile store and log, as soon as the server answers. Before anything is judged."""
    _persist(lambda: reconcile(store, log), hopeless=(EventLogAhead,))


def publish(store: Store, log: EventLog) -> None:
    """Publish until the stream has everything, as the owner's process does."""
    _persist(lambda: drain(store, log))


def open_log(url: str) -> RedisEventLog:
    """The log, as soon as its server answers."""
    return _persist(lambda: RedisEventLog(connect_to(url)))


def _persist(call: Callable[[], _Result], *, hopeless: tuple[type[EventLogError], ...] = ()) -> _Result:
    """Repeat a call until the log's server takes it, unless it fails in a way that will not change."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except EventLogError as error:
            if isinstance(error, hopeless) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def run_bots(*, store: Path, url: str, folder: Path, failpoint: str = "") -> None:
    """Own the store, publish what has fired, and run its bots until nothing is left for them to see."""
    failpoints.arm(failpoint)
    with FileStore(store, clock=ReplayClock(scene.START_MS)) as opened:
        log = open_log(url)
        publish(opened, log)
        lab = Lab(opened, log, ReplayClock(scene.START_MS), folder)
        # Few candles at a time, so that there are many records to die at.
        CandleFeed.MOST = 150
        with lab.executor() as driven:
            driven.settle()

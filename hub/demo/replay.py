"""The demo's phases: import, register, replay through real Prefect flow runs, measure.

Each phase can be repeated: a second demo on the same folder, or one after a kill, does only what is missing.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from analysis.savings import calibrate
from candles.importing import import_candles
from candles.sample import SAMPLE_FILES
from common.clock import ReplayClock, SystemClock
from common.console import ConsoleProgress
from common.errors import StoreError
from common.settings import Settings
from common.slots import slots_of
from common.timeframes import DURATION_MS, from_ms, to_ms
from engine.warming import WARMING_STEPS, warm
from events.log.redis_log import RedisEventLog
from events.opening import open_log
from flows.runtime import Runtime, use_runtime
from hub.demo.acting_bots import ACTING, ActedBot, acted, let_bots_act, make_bot
from hub.demo.population import TIMEFRAMES, Bot, population
from hub.prefect_server import PrefectServer
from registry.conditions import Condition
from registry.store import open_configured
from registry.store.parts.registry import SubscriptionRequest, read_condition
from registry.store.protocol import Store

START = datetime(2024, 8, 4, tzinfo=UTC)
END = datetime(2024, 8, 7, tzinfo=UTC)
"""The replay covers candles that close after START and by END: the crash of 5 August is in it."""

RUN_SPAN_MS = DURATION_MS["1h"]
"""Replayed time between two flow runs of a timeframe. A run judges every candle in it, tick by tick. Not longer than
the longest timeframe: runs of the shorter one move the clock, which would make candles of the longer one late."""

DEFAULT_BOTS = 4_000
DEFAULT_SEED = 20240805


@dataclass
class Replay:
    """What a demo did; everything else is in the store."""

    phase_seconds: dict[str, float] = field(default_factory=dict)
    flow_runs: int = 0
    ticks: int = 0
    stream_length: int = 0
    acted: list[ActedBot] = field(default_factory=list)
    """What the bots came to that act."""


class _Phases:
    """Measures how long each phase takes and shows its progress."""

    def __init__(self, replay: Replay, progress: ConsoleProgress) -> None:
        self._replay = replay
        self._progress = progress

    def run(self, phase: str, total: int, work: Callable[[Callable[[int], None]], None]) -> None:
        started = time.perf_counter()
        self._progress.begin(phase, total)
        work(self._progress.step)
        self._progress.end()
        self._replay.phase_seconds[phase] = time.perf_counter() - started


def replay_demo(settings: Settings, progress: ConsoleProgress, *, bots: int, seed: int) -> Replay:
    """Run all phases in this process, which owns the store meanwhile. Raises :class:`common.errors.HubError`."""
    replay = Replay()
    claim = _Claim(settings.data_dir, bots, seed)
    phases = _Phases(replay, progress)
    clock = ReplayClock(to_ms(START))
    with ExitStack() as stack:
        store = stack.enter_context(open_configured(settings, clock=clock))
        log = stack.enter_context(open_log(settings))
        prefect = PrefectServer(settings.data_dir / "prefect")
        stack.callback(prefect.stop)
        starting = _InBackground(prefect.start)
        stack.callback(starting.wait)
        phases.run("Import candles", len(SAMPLE_FILES), lambda step: _import(store, step))
        phases.run("Load indicator kernels", len(WARMING_STEPS), warm)
        claim.take()
        phases.run("Register conditions", bots, lambda step: _register(store, bots, seed, clock, step))
        phases.run("Wait for the Prefect server", 1, lambda _: starting.finish())
        prefect.use()
        with use_runtime(Runtime(store, log, clock)):
            phases.run(
                "Replay", _candles_until(to_ms(END)), lambda step: asyncio.run(_replay(store, clock, replay, step))
            )
        ledger = settings.data_dir / "bots.ledger"
        phases.run("Let bots act", min(bots, len(ACTING)), lambda step: _act(store, log, ledger, clock, replay, step))
        if store.ticks.unit_costs() is None:
            phases.run("Measure isolated bots", 1, lambda _: _calibrate(store))
        replay.stream_length = log.length()
    return replay


class _Claim:
    """Keeps a folder to the demo of one population: those of two would mix, each half judged.

    Raises :class:`common.errors.StoreError` if the folder holds the demo of another population.
    """

    def __init__(self, folder: Path, bots: int, seed: int) -> None:
        self._path = folder / "population.json"
        self._wanted = {"bots": bots, "seed": seed}
        if self._path.exists():
            claimed = json.loads(self._path.read_text())
            if claimed != self._wanted:
                raise StoreError(
                    f"{folder} holds a demo of {claimed['bots']:,} bots with seed {claimed['seed']}; run that one "
                    f"again with --bots {claimed['bots']} --seed {claimed['seed']}, remove the folder, or set "
                    "HUB_DATA_DIR to another"
                )

    def take(self) -> None:
        """Claim the folder, before the first registration."""
        self._path.write_text(json.dumps(self._wanted))


def _import(store: Store, step: Callable[[int], None]) -> None:
    # The sample's candles closed long ago: they are checked against the present, not against the replayed time.
    for number, path in enumerate(SAMPLE_FILES, 1):
        import_candles([path], store, clock=SystemClock())
        step(number)


def _register(store: Store, bots: int, seed: int, clock: ReplayClock, step: Callable[[int], None]) -> None:
    everybody = list(population(bots, seed))
    acting = {(bot.user_id, bot.bot_id) for bot in everybody[: len(ACTING)]}
    for chunk in _chunks(everybody, 500):
        parsed = [[Condition.parse(spec) for spec in bot.conditions] for bot in chunk]
        store.registry.register(
            [condition for conditions in parsed for condition in conditions], active_from_ms=clock.now_ms()
        )
        store.registry.subscribe(
            [
                SubscriptionRequest(bot.user_id, bot.bot_id, condition.id, bot.bot_type, bot.bot_config)
                for bot, conditions in zip(chunk, parsed, strict=True)
                for condition in conditions
                if (bot.user_id, bot.bot_id) not in acting
            ],
            active_from_ms=clock.now_ms(),
        )
        step(int(chunk[-1].bot_id.rsplit("-", 1)[1]) + 1)
    for bot in everybody[: len(ACTING)]:
        make_bot(store, bot.user_id, bot.bot_id, bot.bot_type, at_ms=clock.now_ms())


async def _replay(store: Store, clock: ReplayClock, replay: Replay, step: Callable[[int], None]) -> None:
    # Prefect reads its settings when it is imported: only after the server's address is known.
    from prefect.context import AsyncClientContext, SyncClientContext

    from flows.tick import tick

    end_ms = to_ms(END)
    reached = {timeframe: _reached(store, timeframe) for timeframe in TIMEFRAMES}
    clock.move_to(min(reached.values()))
    moment_ms = to_ms(START)
    # All runs share these clients: if each made its own, that would take longer than its requests.
    with SyncClientContext.get_or_create():
        async with AsyncClientContext.get_or_create():
            while moment_ms < end_ms:
                moment_ms += RUN_SPAN_MS
                for timeframe in TIMEFRAMES:
                    # The last run happens even if nothing is left to do: a repeated run changes nothing.
                    if moment_ms > reached[timeframe] or moment_ms == end_ms:
                        result = await tick(timeframe, from_ms(moment_ms))
                        replay.flow_runs += 1
                        replay.ticks += int(result["ticks"])
                step(_candles_until(moment_ms))


def _act(
    store: Store, log: RedisEventLog, ledger: Path, clock: ReplayClock, replay: Replay, step: Callable[[int], None]
) -> None:
    let_bots_act(store, log, ledger, clock)
    for bot in acted(store, to_ms(START), to_ms(END)):
        replay.acted.append(bot)
        step(len(replay.acted))


def _reached(store: Store, timeframe: str) -> int:
    return min(store.ticks.watermarks(timeframe).values(), default=to_ms(START))


def _candles_until(time_ms: int) -> int:
    """How many candles a series of each timeframe has from the start to a time."""
    return sum(slots_of(timeframe).between(to_ms(START), time_ms).size for timeframe in TIMEFRAMES)


def _calibrate(store: Store) -> None:
    conditions = [read_condition(stored) for stored in store.registry.conditions()]
    calibrate(store, conditions, at_ms=to_ms(END))


def _chunks(bots: list[Bot], size: int) -> list[list[Bot]]:
    return [bots[begin : begin + size] for begin in range(0, len(bots), size)]


class _InBackground:
    """Runs something slow in a thread; ``finish`` waits for it and raises what it raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    def finish(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._error = error

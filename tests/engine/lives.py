"""A life of the hub, drawn from a seed: real candles that arrive late, twice, changed or never; conditions that are
registered and workers that die; and the same life reported to the model, so that the two can be compared.

Everything goes through the hub's interfaces: a store behind ``open_store``, ``Runtime`` and ``advance`` with a replay
clock.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from common.clock import ReplayClock
from common.grids import UTC_GRID, Grid
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Series, series_of
from registry.instruments import Calendar, Instrument, Listing
from registry.shards import Shard, even_shard
from registry.store import open_store
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from tests.engine.oracle_slots import Slot, last_closed, slot_at
from tests.engine.random_conditions import Conditions, constructs_of
from tests.engine.slow_oracle import DAY_MS, MINUTE_MS, WEEK_MS, Oracle, floor_to, length_of
from tests.events.log.memory_log import MemoryLog
from tests.flows.hub_model import Candle, HubModel, frame_of

SHAPES = (
    ("1m", "5m", "15m"),
    ("5m", "15m", "1h"),
    ("5m", "1h", "4h"),
    ("15m", "1h", "1d"),
    ("30m", "2h", "12h"),
    ("1h", "4h", "1d"),
    ("1h", "12h", "3d"),
    ("4h", "1d", "1w"),
)
GRIDS = (
    "EET",
    "day 16:00, week thu, 3d 1",
    "America/New_York, session 09:30-16:00",
    "Etc/GMT-8, 3d 2",
    "Asia/Kolkata",
    "Australia/Lord_Howe, week sun",
    "America/New_York, day 17:00, week sun",
    "America/New_York, session 18:00-17:00",
)
CLOCK_CHANGES = [
    to_ms(datetime(*moment, tzinfo=UTC))
    for moment in ((2024, 3, 31, 1), (2024, 10, 27, 1), (2024, 3, 10, 7), (2024, 11, 3, 6), (2024, 4, 6, 15))
]
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "DOGEUSDT", "XRPUSDT", "LTCUSDT")
_SECOND = 1000
_SOURCE = {"5m": "5m", "15m": "5m", "30m": "5m", "1m": "5m"}
"""The sample's timeframe from which the shortest candles of a life are made; hourly for all others."""


class Crash(BaseException):
    """The process is gone: nobody catches this."""


@dataclass
class Fate:
    """When the process dies: at the ``countdown``-th call of an operation whose name starts with ``at``."""

    at: str
    countdown: int
    after: bool
    """Once the operation is done, not before."""

    def strikes(self, name: str) -> bool:
        if name.startswith(self.at):
            self.countdown -= 1
            return self.countdown == 0
        return False


class Mortal:
    """A store, a part of it, or a log, whose caller dies when fate says so. Counts recorded ticks."""

    def __init__(self, real: Any, world: "World", path: str = "") -> None:
        self._real = real
        self._world = world
        self._path = path

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._real, name)
        path = f"{self._path}.{name}" if self._path else name
        if callable(attribute):
            return self._guarded(attribute, path)
        return attribute if isinstance(attribute, int | float | str | None) else Mortal(attribute, self._world, path)

    def _guarded(self, operation: Callable[..., Any], path: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            fate = self._world.fate
            struck = fate is not None and fate.strikes(path)
            if struck and fate is not None and not fate.after:
                raise Crash(f"before {path}")
            answer = operation(*arguments, **named)
            if path == "ticks.record_tick":
                self._world.recorded += 1
            if struck:
                raise Crash(f"after {path}")
            return answer

        return call


class TurnTakingClock(ReplayClock):
    """A clock on which waiting lets others go first, as often as the dice say."""

    def __init__(self, start_ms: int, dice: random.Random) -> None:
        super().__init__(start_ms)
        self._dice = dice
        self.is_shared = False

    async def sleep_until(self, time_ms: int) -> None:
        for _ in range(self._dice.randrange(4) if self.is_shared else 0):
            await asyncio.sleep(0)
        await super().sleep_until(time_ms)


@dataclass
class World:
    """The environment in which the hub runs."""

    folder: Path
    clock: TurnTakingClock
    log: MemoryLog = field(default_factory=MemoryLog)
    fate: Fate | None = None
    recorded: int = 0
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = open_store(f"duckdb:{self.folder}", clock=self.clock)

    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(f"duckdb:{self.folder}", clock=self.clock)

    def runtime(self) -> Runtime:
        """A worker that has just been started."""
        return Runtime(Mortal(self.store, self, ""), Mortal(self.log, self, "log"), self.clock)


@dataclass(order=True)
class Arrival:
    """A candle and the time of its arrival."""

    at_ms: int
    series: Series
    open_ms: int
    candle: Candle = field(compare=False)


@dataclass
class Life:
    """Everything that a seed decides. ``live()`` runs it, and reports it to the model."""

    seed: int
    sample: pl.DataFrame
    folder: Path
    crowd: int = 1
    """How many times as many conditions as usual are registered."""
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.dice = dice = random.Random(self.seed)
        self.shape = SHAPES[self.seed % len(SHAPES)]
        self.symbols = dice.sample(SYMBOLS, dice.randint(2, 4))
        self.shards = dice.choice((1, 1, 1, 2, 3))
        self.workers_wanted = dice.choice((1, 1, 2))
        self.tick_ms = length_of(self.shape[0])
        self.slots = dice.randint(26, 44)
        self.calendars: dict[str, Calendar] = {}
        if dice.random() < 0.5:
            self.calendars = {f"BINANCE:{symbol}": "sessions" for symbol in self.symbols[: dice.randint(1, 2)]}
            self.note("lives with sessions")
        self.grids = self._draw_grids()
        self.model = HubModel(self.calendars, self.grids)
        self._draw_candles()
        self.world = World(self.folder, TurnTakingClock(self.start_ms, dice))
        self.conditions: list[Condition] = []
        self._in_sessions: set[Instrument] = set()
        self._delivered: list[tuple[Series, int, Candle]] = []

    def note(self, what: str, times: int = 1) -> None:
        """Count that something happened."""
        self.happened[what] += times

    # Candles.

    def _draw_grids(self) -> dict[str, Grid]:
        """In every other life, instruments whose days and sessions begin elsewhere than in UTC."""
        dice = random.Random(f"grids {self.seed}")
        if self.seed % 2 == 0:
            return {}
        self.note("lives on grids")
        texts = dice.sample(GRIDS, len(self.symbols) - 1)
        return {f"BINANCE:{symbol}": Grid.parse(text) for symbol, text in zip(self.symbols, texts, strict=False)}

    def _slot_of(self, series: Series, time_ms: int) -> Slot | None:
        return slot_at(time_ms, series.timeframe, self.grids.get(str(series.instrument), UTC_GRID))

    def _draw_candles(self) -> None:
        dice = self.dice
        fine = self._fine()
        opens = sorted(set(fine[self.symbols[0]]))
        # Late enough for some history of the longest timeframe, if the sample has it.
        longest = length_of(self.shape[-1])
        least = min(opens[0] + 12 * longest, opens[-1] - (self.slots + 5) * self.tick_ms)
        most = opens[-1] - (self.slots + 2) * self.tick_ms
        self.start_ms = floor_to(dice.randint(max(least, opens[60]), most), self.shape[0])
        if self.grids:
            # The hours are those in which clocks change.
            change_ms = random.Random(f"changes {self.seed}").choice(CLOCK_CHANGES)
            apart = floor_to(change_ms - self.start_ms - self.slots // 2 * self.tick_ms, self.shape[0])
            self.start_ms += apart
            fine = {
                symbol: {open_ms + apart: candle for open_ms, candle in slots.items()} for symbol, slots in fine.items()
            }
        self.end_ms = self.start_ms + self.slots * self.tick_ms
        self.arrivals: list[Arrival] = []
        self.histories: dict[Series, list[tuple[int, Candle]]] = {}
        self.late_series: dict[Series, int] = {}
        self.full: dict[Series, pl.DataFrame] = {}
        self.older: list[list[tuple[Series, int, Candle]]] = []
        self.closure = range(0)
        if self.calendars and dice.random() < 0.6:
            # A market that stays closed for more than a week.
            reopens_ms = self.start_ms + dice.randint(-3, 25) * self.tick_ms
            self.closure = range(reopens_ms - WEEK_MS - dice.choice((-1, 0, 30, 60)) * self.tick_ms, reopens_ms)
        for symbol in self.symbols:
            shapes = [timeframe for timeframe in self.shape if dice.random() > 0.15] or list(self.shape)
            for timeframe in self.shape if symbol == self.symbols[0] else shapes:
                series = series_of("BINANCE", symbol, timeframe)
                rows = self._open_hours(series, self._resampled(fine[symbol], series))
                rows = [row for row in rows if self._close_of(series, row[0]) <= self.end_ms]
                before = [row for row in rows if self._close_of(series, row[0]) <= self.start_ms]
                count = dice.randint(15, 150)
                older, keep = before[-count - 15 : -count], before[-count:]
                rows = keep + rows[len(before) :]
                if len(rows) < 8:
                    continue
                self.full[series] = frame_of((series, *row) for row in rows)
                # A longer timeframe that is not stored yet could be built from a shorter one.
                self._schedule(series, rows, may_begin_late=timeframe == shapes[0])
                if older and series not in self.late_series and dice.random() < 0.5:
                    self.older.append([(series, *row) for row in older])

    def _fine(self) -> dict[str, dict[int, Candle]]:
        """Symbol -> the shortest candles that a life is made of."""
        timeframe = _SOURCE.get(self.shape[0], "1h")
        rows = self.sample.filter((pl.col("timeframe") == timeframe) & pl.col("symbol").is_in(self.symbols))
        candles: dict[str, dict[int, Candle]] = {}
        for symbol, open_ms, *candle in rows.select(
            "symbol", pl.col("open_time").dt.epoch("ms"), "open", "high", "low", "close", "volume"
        ).iter_rows():
            candles.setdefault(symbol, {})[open_ms] = tuple(candle)
        if self.shape[0] == "1m":
            # Real candles of five minutes, read as if they were of one.
            for symbol, slots in candles.items():
                begin = min(slots)
                candles[symbol] = {begin + (open_ms - begin) // 5: candle for open_ms, candle in slots.items()}
        return candles

    def _open_hours(self, series: Series, rows: list[tuple[int, Candle]]) -> list[tuple[int, Candle]]:
        length = length_of(series.timeframe)
        if str(series.instrument) not in self.calendars or length >= WEEK_MS:
            return rows
        if self.tick_ms < 15 * MINUTE_MS:
            # Minutes: the market closes for a few of every hour.
            return [row for row in rows if row[0] % (60 * MINUTE_MS) < 45 * MINUTE_MS]
        kept = [row for row in rows if (row[0] // DAY_MS) % 7 not in (2, 3) and row[0] not in self.closure]
        if length < DAY_MS:
            kept = [row for row in kept if 6 <= row[0] % DAY_MS / 3_600_000 < 20]
        return kept

    def _schedule(self, series: Series, rows: list[tuple[int, Candle]], *, may_begin_late: bool) -> None:
        """When each candle comes, if it ever does."""
        dice = self.dice
        length = length_of(series.timeframe)
        hold = min(2 * length, 5 * MINUTE_MS)
        gaps, late, very_late = (dice.choice((0, 0.02, 0.06)) for _ in range(3))
        begins = self.start_ms
        if may_begin_late and len(self.full) > 1 and dice.random() < 0.5:
            # The series comes to the hub in the middle of its life, with or without a past.
            begins = self.start_ms + dice.randint(3, self.slots // 2) * self.tick_ms
            if dice.random() < 0.5:
                rows = [row for row in rows if row[0] >= begins - self.tick_ms] or rows
            self.late_series[series] = begins
            self.note("series that begin late")
        outage = dice.randrange(len(rows)), dice.choice((0, 0, 3, 6)), dice.random() < 0.5
        outage_end = self._close_of(series, rows[min(outage[0] + outage[1], len(rows) - 1)][0]) + 5 * _SECOND
        self.histories[series] = []
        for number, (open_ms, candle) in enumerate(rows):
            close_ms = self._close_of(series, open_ms)
            is_out = outage[0] <= number < outage[0] + outage[1]
            if dice.random() < gaps or (is_out and outage[2]):
                continue
            if dice.random() < late:
                at_ms = close_ms + dice.randint(25 * _SECOND, hold - 10 * _SECOND)
            elif dice.random() < very_late:
                at_ms = close_ms + hold + dice.randint(10 * _SECOND, 3 * length)
            else:
                at_ms = close_ms + dice.randint(0, 15) * _SECOND
            if is_out:
                at_ms = max(at_ms, outage_end)
            if close_ms <= begins and at_ms <= begins + length:
                self.histories[series].append((open_ms, candle))
            else:
                at_ms = max(at_ms, begins)
                if dice.random() < 0.03:
                    self.arrivals.append(Arrival(at_ms, series, open_ms, _changed(candle, dice)))
                    at_ms += dice.randint(1, max(2, length // 2))
                self.arrivals.append(Arrival(at_ms, series, open_ms, candle))
        if series in self.late_series:
            past = self.histories.pop(series)
            self.arrivals += [Arrival(begins, series, open_ms, candle) for open_ms, candle in past]

    # Living.

    async def live(self) -> None:
        """From the first candle to the last."""
        dice, world = self.dice, self.world
        listings = [Listing(series.instrument, grid=self.model.grid(series)) for series in self.full]
        if self.grids:
            world.store.candles.list_instruments(list(dict.fromkeys(listings)))
        self._upsert([(series, *row) for series, rows in self.histories.items() for row in rows])
        self._oracle = Oracle(self.full, self.calendars, self.grids)
        self._maker = Conditions(dice, self._oracle, list(self.full))
        self._register(dice.randint(12, 18) * self.crowd)
        self._restart()
        self._pending = sorted(self.arrivals, reverse=True)
        skip = 0
        for number in range(1, self.slots + 1):
            close_ms = self.start_ms + number * self.tick_ms
            is_early = dice.random() < 0.04 and self.workers_wanted == self.shards == 1
            world.clock.move_to(close_ms - 500 if is_early else close_ms + dice.randint(20, 50) * _SECOND)
            self._deliver()
            if dice.random() < 0.12 and len(self.conditions) < 36 * self.crowd:
                self._register(dice.randint(1, 3))
            if dice.random() < 0.2:
                self._revise()
            if dice.random() < 0.1:
                self._subscribe()
            if self.older and dice.random() < 0.1:
                self._upsert(self.older.pop())
                self.note("candles older than all others")
            skip = skip - 1 if skip else dice.choice((1, 3, 5)) if dice.random() < 0.04 else 0
            if skip:
                self.note("ticks missed")
                continue
            timeframes = [timeframe for timeframe in self.shape if self._closes(timeframe, close_ms)]
            if dice.random() < 0.1:
                timeframes = list(self.shape)
            await self._run(dice.sample(timeframes, len(timeframes)), close_ms)
            if dice.random() < 0.12:
                self.note("runs again")
                await self._run(timeframes, close_ms)
            if self.tick_ms > 7 * MINUTE_MS and dice.random() < 0.25:
                # Another attempt when the hold time is over.
                world.clock.move_to(close_ms + dice.choice((2, 4, 6)) * MINUTE_MS)
                self._deliver()
                await self._run(timeframes, close_ms)
        world.clock.move_to(self.end_ms + 6 * MINUTE_MS)
        self._deliver()
        world.fate = None
        await self._run(list(self.shape), self.end_ms)
        await self._run(list(self.shape), self.end_ms)

    def _restart(self) -> None:
        self._workers = [self.world.runtime() for _ in range(self.workers_wanted)]

    def _deliver(self) -> None:
        """Upsert the candles that have arrived by now, in any order, each slot at most once per upsert."""
        now_ms = self.world.clock.now_ms()
        batch: list[tuple[Series, int, Candle]] = []
        while self._pending and self._pending[-1].at_ms <= now_ms:
            arrival = self._pending.pop()
            if any(row[:2] == (arrival.series, arrival.open_ms) for row in batch):
                self._upsert(batch)
                batch = []
            batch.append((arrival.series, arrival.open_ms, arrival.candle))
        self.dice.shuffle(batch)
        self._upsert(batch)

    def _upsert(self, rows: Sequence[tuple[Series, int, Candle]]) -> None:
        if not rows:
            return
        self.note(
            "candles that change what a group begins with",
            sum(self.model.is_being_begun(series, open_ms) for series, open_ms, _ in rows),
        )
        if self.conditions:
            self.note("series that begin under a warm worker", len({row[0] for row in rows if not self._has(row[0])}))
        counts = self.world.store.candles.upsert(frame_of(rows))
        expected = [self.model.arrive(*row) for row in rows]
        for instrument in {series.instrument for series, *_ in rows} - self._in_sessions:
            if str(instrument) in self.calendars:
                self.world.store.candles.set_calendar(instrument, "sessions")
                self._in_sessions.add(instrument)
        # Whether a repeated version counts as a correction is up to the store; that it changes nothing is not.
        counted = {"inserted": counts.inserted, "replaced": counts.replaced, "kept": counts.unchanged + counts.revised}
        wanted_counts = {name: expected.count(name) for name in ("inserted", "replaced")}
        wanted_counts["kept"] = len(expected) - sum(wanted_counts.values())
        assert counted == wanted_counts, f"{self.told()}: {rows}: {expected}, {counted}"
        for verdict in expected:
            self.note("candles that came again" if verdict == "unchanged" else f"candles that were {verdict}")
        self._delivered += rows

    def _has(self, series: Series) -> bool:
        return bool(self.model.candles.get(series))

    def _revise(self) -> None:
        """Upsert earlier candles again, unchanged or changed."""
        dice = self.dice
        rows = {row[:2]: row for row in dice.sample(self._delivered[-60:], min(3, len(self._delivered[-60:])))}
        again = [(*key, _changed(row[2], dice) if dice.random() < 0.7 else row[2]) for key, row in rows.items()]
        self._upsert(again)

    def _correct_judged(self, close_ms: int, triggers: int) -> None:
        """Correct a judged candle in the middle of a run."""
        judged = [row for row in self._delivered[-60:] if self.model.is_judged(*row[:2])]
        if judged:
            row = self.dice.choice(judged)
            self._upsert([(*row[:2], _changed(row[2], self.dice))])
            self.note("corrections in the middle of a run")

    def _register(self, count: int) -> None:
        dice, now_ms = self.dice, self.world.clock.now_ms()
        known = {str(instrument) for instrument in self.world.store.candles.instruments()}
        among = [series for series in self.full if str(series.instrument) in known]
        among = [series for series in among if length_of(series.timeframe) == self.tick_ms or dice.random() < 0.5]
        fresh = self._maker.some(20 * count if self.conditions else count, among or list(self.full))
        fresh = [condition for condition in fresh if {str(instrument) for instrument in condition.instruments} <= known]
        if self.conditions:
            # Preferably those that fire on their first candle: that depends on what was before they were registered.
            fresh = sorted(fresh, key=lambda condition: not self._fires_next(condition))[:count]
            self.note("conditions that should fire on their first candle", sum(map(self._fires_next, fresh)))
        again = dice.sample(self.conditions, min(1, len(self.conditions)))
        for condition in [*fresh, *again]:
            ago = dice.choice((0, 0, 0, 0, 0, -3, -1, 2)) * self.tick_ms
            created = condition.id not in self.model.conditions
            (answer,) = self.world.store.registry.register([condition], active_from_ms=now_ms + ago)
            assert answer.created == created
            self.model.register(condition, now_ms + ago)
            if created:
                self.conditions.append(condition)
                # Subscribed from the start: a condition without a subscription need not be judged.
                wish = SubscriptionRequest("user", "bot", condition.id, "dca", {})
                self.world.store.registry.subscribe([wish], active_from_ms=now_ms + ago)
                self.note("conditions registered")
                for construct in constructs_of(condition):
                    self.note(f"conditions with {construct}")
                self.note("conditions registered for a time before", ago < 0)
            else:
                self.note("conditions registered again")

    def _fires_next(self, condition: Condition) -> bool:
        slot = self._slot_of(condition.series, self.world.clock.now_ms())
        return not condition.momentary and slot is not None and slot[0] in self._oracle.fires(condition)

    def _subscribe(self) -> None:
        condition = self.dice.choice(self.conditions)
        request = SubscriptionRequest(f"user{self.dice.randint(1, 3)}", "bot", condition.id, "dca", {})
        self.world.store.registry.subscribe([request], active_from_ms=self.world.clock.now_ms())

    def _shard(self, number: int) -> Shard | None:
        return None if self.shards == 1 else even_shard(number, self.shards)

    async def _run(self, timeframes: Sequence[str], close_ms: int) -> None:
        """Run these timeframes, one after the other or at once; some workers die of it."""
        dice, world = self.dice, self.world
        is_on_time = world.clock.now_ms() >= close_ms
        if len(self._workers) > 1 and is_on_time and dice.random() < 0.3:
            await self._run_at_once(timeframes, close_ms)
            return
        for timeframe in timeframes:
            shards = dice.sample(range(self.shards), self.shards)
            while shards:
                world.fate = self._fate() if dice.random() < 0.15 and is_on_time else None
                world.recorded, now_ms = 0, world.clock.now_ms()
                worker = dice.randrange(len(self._workers))
                try:
                    await advance(
                        self._workers[worker],
                        timeframe,
                        close_ms,
                        shard=self._shard(shards[-1]),
                        on_tick=self._correct_judged if dice.random() < 0.15 else None,
                    )
                except Crash as crash:
                    self._crashed(worker, str(crash))
                    if self.shards == 1:
                        self.model.run(timeframe, close_ms, now_ms, most=world.recorded)
                        if dice.random() < 0.4:
                            # Nobody comes back before the next tick.
                            break
                    continue
                finally:
                    world.fate = None
                shards.pop()
                self.note("runs in shards", self.shards > 1)
                if not shards:
                    assert world.clock.now_ms() == self.model.run(timeframe, close_ms, now_ms)

    async def _run_at_once(self, timeframes: Sequence[str], close_ms: int) -> None:
        dice, world = self.dice, self.world
        self.note("runs at once")
        now_ms = world.clock.now_ms()
        world.clock.is_shared = True
        runs = [
            advance(
                worker,
                timeframe,
                close_ms - dice.choice((0, 0, 1)) * number * length_of(timeframe),
                shard=self._shard(shard),
            )
            for timeframe in timeframes
            for number, worker in enumerate(self._workers)
            for shard in range(self.shards)
        ]
        dice.shuffle(runs)
        await asyncio.gather(*runs)
        world.clock.is_shared = False
        for timeframe in timeframes:
            self.model.run(timeframe, close_ms, now_ms)

    def _fate(self) -> Fate:
        dice = self.dice
        at, most = dice.choice((("ticks.record_tick", 3), ("ticks.record_tick", 3), ("log.append", 1), ("", 40)))
        return Fate(at, dice.randint(1, most), dice.random() < 0.5)

    def _crashed(self, worker: int, where: str) -> None:
        self.note(f"crashes {where}")
        self.note("crashes")
        if self.dice.random() < 0.5:
            self.note("failures that the worker outlived")
            return
        if self.dice.random() < 0.5:
            self.world.reopen()
            self._restart()
        else:
            self._workers[worker] = self.world.runtime()

    def told(self) -> str:
        """The life in a line."""
        series = f"{'/'.join(self.shape)} of {' '.join(self.symbols)}"
        sessions = f", sessions of {' '.join(self.calendars)}" if self.calendars else ""
        grids = "".join(f", {name} on {grid}" for name, grid in self.grids.items())
        return f"seed {self.seed}: {series}{sessions}{grids}, {self.shards} shards, {self.workers_wanted} workers"

    def _closes(self, timeframe: str, time_ms: int) -> bool:
        """Whether a slot of the timeframe ends at a time, on the grid of any instrument."""
        grids = {UTC_GRID, *self.grids.values()}
        return any(last_closed(time_ms, timeframe, grid)[1] == time_ms for grid in grids)

    def _close_of(self, series: Series, open_ms: int) -> int:
        return self.model.close_of(series, open_ms)

    def _resampled(self, fine: dict[int, Candle], series: Series) -> list[tuple[int, Candle]]:
        """The candles of a series made of shorter ones; what was traded between its sessions is left out."""
        slots: dict[int, list[Candle]] = {}
        for open_ms, candle in sorted(fine.items()):
            slot = self._slot_of(series, open_ms)
            if slot is not None:
                slots.setdefault(slot[0], []).append(candle)
        return [
            (
                open_ms,
                (
                    candles[0][0],
                    max(candle[1] for candle in candles),
                    min(candle[2] for candle in candles),
                    candles[-1][3],
                    sum(candle[4] for candle in candles),
                ),
            )
            for open_ms, candles in slots.items()
        ]


def _changed(candle: Candle, dice: random.Random) -> Candle:
    """Another version of a candle."""
    factor = 1 + dice.choice((-1, 1)) * dice.choice((0.0005, 0.01, 0.2))
    top, high, low, _, volume = candle
    return (top * factor, high * factor, low * factor, (top + high) / 2 * factor, volume * 1.5)

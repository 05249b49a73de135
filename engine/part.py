"""Groups that are judged by one evaluator, and how their series step.

A group is a base series with the set of other series that its conditions read. Groups that read only their base share
one part, in which each moves when its own candle is there. Groups that read other series share a part as long as they
move together, because their view of the others belongs to one moment; when only some of them can move, the part is
split.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.candle_columns import VALUES
from common.timeframes import DURATION_MS
from engine.calendars import SeriesCalendar
from engine.evaluate import Evaluator, FiredCondition, SeriesPast
from engine.plan import Plan, make_plan
from indicators.kernels.tick_program import CANDLE_ROWS
from registry.groups import Group, Series

SlotCandles = Mapping[Series, Sequence[float]]
"""The candles of one slot: series -> open, high, low, close, volume."""

LoadSlot = Callable[[str, int], SlotCandles]
"""(timeframe, open time) -> the candles of that slot."""


@dataclass(frozen=True)
class PlanGroup:
    """One group of a part."""

    group: Group
    base: int
    """Index of its base series in the plan."""
    series: tuple[int, ...]
    """Indices of all series that it reads, including the base."""


@dataclass(frozen=True)
class Moved:
    """What a part did on one slot."""

    fired: list[FiredCondition]
    judge_us: int
    judged: NDArray[np.bool_]
    """Series -> whether it is a base that was judged."""
    loaded: NDArray[np.bool_]
    """Series -> whether a candle of it was used."""


@dataclass(frozen=True)
class SeriesHistory:
    """A series as a part begins with it: the open time of its first candle, and its as-judged candles, oldest first, up
    to the last close time that a group of the part has reached: all since its anchor, or all since ``past``."""

    first_open_ms: int
    candles: pl.DataFrame
    past: SeriesPast | None = None


class Part:
    """An evaluator and the groups that it judges; ``reached`` is the close time that each group has reached."""

    def __init__(
        self,
        plan: Plan,
        groups: Sequence[PlanGroup],
        reached: Mapping[Group, int],
        calendars: Sequence[SeriesCalendar],
        histories: Mapping[Series, SeriesHistory],
    ) -> None:
        """Bring an evaluator to the close times that the groups have reached.

        History kernels compute the indicators up to a few steps before that; these last steps are repeated live.
        """
        self.plan = plan
        self.groups = tuple(groups)
        self.reached = dict(reached)
        self._evaluator = Evaluator(plan)
        self._calendars = tuple(calendars)
        self._read_series()
        self._first_open = [histories[series].first_open_ms for series in self.series]
        self._last_open: list[int | None] = [None] * len(self.series)
        self._restore(histories)

    def _read_series(self) -> None:
        self.series = tuple(self.plan.series)
        self._alike: dict[str, dict[SeriesCalendar, list[int]]] = {name: {} for name in self.plan.timeframes}
        """Timeframe -> the calendars and grids on it, with their series."""
        for index, (series, calendar) in enumerate(zip(self.series, self._calendars, strict=True)):
            self._alike[series.timeframe].setdefault(calendar, []).append(index)
        self._bases = {group.base for group in self.groups}

    def adopt(self, other: "Part") -> None:
        """Take in another part's conditions and groups. Both must be at the same moment, unless both are alone.

        Groups that are here already are then as the other part has them.
        """
        self.plan.extend(other.plan.conditions)
        self._evaluator.grow()
        self._evaluator.adopt(other._evaluator)
        index = self.plan.layout.index
        known = len(self._calendars)
        theirs = [index[series] for series in other.plan.series]
        fresh = [position for position, mine in enumerate(theirs) if mine >= known]
        fresh.sort(key=lambda position: theirs[position])
        self._calendars += tuple(other._calendars[position] for position in fresh)
        self._first_open += [other._first_open[position] for position in fresh]
        self._last_open += [other._last_open[position] for position in fresh]
        for position, mine in enumerate(theirs):
            self._first_open[mine], self._last_open[mine] = other._first_open[position], other._last_open[position]
        here = {member.group for member in self.groups}
        self.groups += tuple(
            PlanGroup(member.group, theirs[member.base], tuple(theirs[index] for index in member.series))
            for member in other.groups
            if member.group not in here
        )
        self.reached |= other.reached
        self._read_series()

    def carve(self, groups: Collection[Group]) -> "Part":
        """A part of only these groups, as they are here. Nothing is read for it, and this part stays as it is."""
        plan = make_plan(condition for condition in self.plan.conditions if condition.group in groups)
        index = plan.layout.index
        members = [
            PlanGroup(member.group, index[member.group.base], tuple(index[series] for series in member.group.series))
            for member in self.groups
            if member.group in groups
        ]
        place = [self.plan.layout.index[series] for series in plan.series]
        part = Part.__new__(Part)
        part.plan = plan
        part.groups = tuple(members)
        part.reached = {member.group: self.reached[member.group] for member in members}
        part._evaluator = Evaluator(plan)
        part._evaluator.adopt(self._evaluator)
        part._calendars = tuple(self._calendars[position] for position in place)
        part._read_series()
        part._first_open = [self._first_open[position] for position in place]
        part._last_open = [self._last_open[position] for position in place]
        return part

    def pasts(self) -> Iterator[tuple[Series, SeriesPast]]:
        """(series, state of its indicators) for all series that have had a candle."""
        for index, series in enumerate(self.series):
            open_ms = self._last_open[index]
            if open_ms is not None:
                yield series, SeriesPast(open_ms, self._evaluator.candle_count(index), self._evaluator.carries(index))

    @property
    def is_alone(self) -> bool:
        """Whether its groups read only their base, so that they need not move together."""
        return self.plan.is_alone

    def due(
        self, until_ms: int, waiting: Collection[Group], first_open_after: Callable[[Series, int], int | None]
    ) -> tuple[int, list[PlanGroup]] | None:
        """The earliest close time by ``until_ms`` that groups have to reach next, and those groups.

        ``None`` if there is none. Groups that are ``waiting`` are left out, and so is one whose base has sessions and
        no later candle.

        ``first_open_after(series, time)`` is the open time of a series' first candle that opens at or after a time.
        """
        closes: dict[tuple[SeriesCalendar, int], int] = {}
        """Calendar without sessions and time -> when its next slot ends: it is the same for many groups."""
        earliest, members = until_ms + 1, list[PlanGroup]()
        for member in self.groups:
            if member.group in waiting:
                continue
            reached, calendar = self.reached[member.group], self._calendars[member.base]
            close_ms = closes.get((calendar, reached))
            if close_ms is None:
                if calendar.has_sessions:
                    open_ms = first_open_after(self.series[member.base], reached)
                    if open_ms is None:
                        continue
                    close_ms = int(calendar.close(open_ms))
                else:
                    close_ms = closes[calendar, reached] = calendar.next_close(reached)
            if close_ms < earliest:
                earliest, members = close_ms, [member]
            elif close_ms == earliest <= until_ms:
                members.append(member)
        return (earliest, members) if members else None

    def lacking(
        self, members: Sequence[PlanGroup], close_ms: int, load: LoadSlot
    ) -> dict[Group, list[tuple[Series, int, bool]]]:
        """Those of some groups that lack candles to reach ``close_ms`` -> which: series, open time, and whether the
        series has sessions, so that the market may have been closed.

        Of a series with sessions only the newest slot is checked, as only its newest candle may still come.
        """
        lacking: dict[Group, list[tuple[Series, int, bool]]] = {}
        known: dict[tuple[int, int], list[tuple[Series, int, bool]]] = {}
        """(series, time from which on it is needed) -> its missing candles: the same for all groups that read it."""
        for member in members:
            reached = self.reached[member.group]
            for index in member.series:
                missing = known.get((index, reached))
                if missing is None:
                    missing = known[index, reached] = self._missing(index, reached, close_ms, load)
                if missing:
                    lacking.setdefault(member.group, []).extend(missing)
        return lacking

    def _missing(self, index: int, since_ms: int, close_ms: int, load: LoadSlot) -> list[tuple[Series, int, bool]]:
        series, has_sessions = self.series[index], self._calendars[index].has_sessions
        opens = [open_ms for open_ms, _ in self._slots(index, since_ms, close_ms)]
        return [
            (series, open_ms, has_sessions)
            for open_ms in (opens[-1:] if has_sessions else opens)
            if series not in load(series.timeframe, open_ms)
        ]

    def move(self, groups: Sequence[PlanGroup], close_ms: int, load: LoadSlot) -> Moved:
        """Judge the candle that closes at ``close_ms`` for groups that can move: all of the part, unless it is
        alone."""
        bases = {member.base for member in groups}
        loaded = np.zeros(len(self.series), np.bool_)
        if not self.is_alone:
            since = min(self.reached.values())
            others = [index for index in range(len(self.series)) if index not in self._bases]
            closes = {close for index in others for _, close in self._slots(index, since, close_ms)}
            for earlier in sorted(closes - {close_ms}):
                loaded |= self._step(earlier, others, load)
            bases = bases.union(others)
        loaded |= self._step(close_ms, bases, load)
        judged = np.zeros(len(self.series), np.bool_)
        judged[[member.base for member in groups]] = True
        started = time.perf_counter_ns()
        fired = self._judge(close_ms, judged & loaded)
        judge_us = (time.perf_counter_ns() - started) // 1000
        self.reached.update({member.group: close_ms for member in groups})
        return Moved(fired, judge_us, judged, loaded)

    def _step(self, close_ms: int, indices: Sequence[int] | set[int], load: LoadSlot) -> NDArray[np.bool_]:
        """Let those series step that have a slot closing at ``close_ms``; returns which of them had a candle."""
        count, moving = len(self.series), set(indices)
        loaded = np.zeros(count, np.bool_)
        for timeframe, alike in self._alike.items():
            candles = np.zeros((len(CANDLE_ROWS), count))
            present, stepping = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
            for calendar, members in alike.items():
                open_ms = calendar.last_open(close_ms)
                if calendar.close(open_ms) != close_ms:
                    continue
                slot = load(timeframe, open_ms)
                candles[CANDLE_ROWS.index("day"), members] = open_ms // DURATION_MS["1d"]
                for index in members:
                    if index not in moving or open_ms < self._first_open[index]:
                        continue
                    if self.series[index] in slot:
                        candles[: len(VALUES), index] = slot[self.series[index]]
                        present[index] = stepping[index] = True
                        self._note_candle(index, open_ms)
                    else:
                        # A missing candle is a hole, unless there are sessions: then the market was closed.
                        stepping[index] = not calendar.has_sessions
            if stepping.any():
                self._evaluator.step(timeframe, candles, present, stepping)
            loaded |= present
        return loaded

    def _note_candle(self, index: int, open_ms: int) -> None:
        last = self._last_open[index]
        calendar = self._calendars[index]
        if calendar.has_sessions and last is not None and not calendar.is_step(last, open_ms):
            self._evaluator.interrupt(index)
        self._last_open[index] = open_ms

    def _judge(self, close_ms: int, judged: NDArray[np.bool_]) -> list[FiredCondition]:
        for index in range(len(self.series)):
            last = self._last_open[index]
            if index in self._bases or last is None or not self._calendars[index].has_sessions:
                continue
            if not self._calendars[index].is_current(last, close_ms):
                self._evaluator.interrupt(index)
        if not judged.any():
            return []
        return self._evaluator.judge(judged, np.array([0 if last is None else last for last in self._last_open]))

    def _slots(self, index: int, since_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        """(open time, close time) of a series' slots that close after ``since_ms`` and by ``until_ms``, from its first
        candle on."""
        for open_ms, close_ms in self._calendars[index].closing(max(since_ms, self._first_open[index]), until_ms):
            if open_ms >= self._first_open[index]:
                yield open_ms, close_ms

    def _ends(self) -> list[int]:
        """Series -> the close time up to which it has stepped."""
        ends = [max(self.reached.values())] * len(self.series)
        for member in self.groups:
            ends[member.base] = self.reached[member.group]
        return ends

    def _restore(self, histories: Mapping[Series, SeriesHistory]) -> None:
        ends = self._ends()
        candles_of = [histories[series].candles for series in self.series]
        repeats = Repeats(self.plan, self._bases, ends, candles_of, self._calendars)
        known, starts = repeats.known, repeats.starts
        repeated: dict[tuple[str, int], dict[Series, Sequence[float]]] = {}
        closes: dict[int, list[int]] = {}
        restored: dict[int, tuple[pl.DataFrame, SeriesPast | None]] = {}
        for index, series in enumerate(self.series):
            past = histories[series].past
            candles = histories[series].candles.head(known[index].size)
            before = candles.filter(pl.Series(known[index] < starts[index]))
            after = candles.filter(pl.Series(known[index] >= starts[index]))
            restored[index] = before, past
            if before.height:
                self._last_open[index] = int(before["open_time"].dt.epoch("ms")[-1])
            elif past is not None:
                self._last_open[index] = past.open_ms
            for open_ms, row in zip(after["open_time"].dt.epoch("ms"), after.select(VALUES).rows(), strict=True):
                repeated.setdefault((series.timeframe, open_ms), {})[series] = row
            for _, close_ms in self._slots(index, starts[index], ends[index]):
                closes.setdefault(close_ms, []).append(index)
        self._evaluator.restore(restored)
        for close_ms, stepping in sorted(closes.items()):
            loaded = self._step(close_ms, stepping, lambda timeframe, open_ms: repeated.get((timeframe, open_ms), {}))
            bases = np.zeros(len(self.series), np.bool_)
            bases[[index for index in stepping if index in self._bases]] = True
            self._judge(close_ms, bases & loaded)


class Repeats:
    """The last candles of each series, which a restored part repeats as live steps so that everything that looks back
    is known.

    ``known`` are the open times of the candles up to ``ends``, ``starts`` the open time from which they are repeated,
    ``short`` whether there are fewer of them than needed.
    """

    def __init__(
        self,
        plan: Plan,
        bases: Collection[int],
        ends: Sequence[int],
        candles: Sequence[pl.DataFrame],
        calendars: Sequence[SeriesCalendar],
    ) -> None:
        opens = [_opens(frame) for frame in candles]
        self.known = [
            times[times <= calendar.last_open(end)] for times, calendar, end in zip(opens, calendars, ends, strict=True)
        ]
        self.starts = [0] * len(opens)
        self.short = [False] * len(opens)
        steps = _steps_back(plan)
        for base in bases:
            self._look_back(base, self.known[base], steps[base])
        earliest = min(self.starts[base] for base in bases)
        # A base that other bases read is needed before their first candle: with sessions, that is much earlier.
        seen = set(plan.owners[plan.layout.views.array[:, 1]].tolist())
        for index in (set(range(len(opens))) - set(bases)) | seen:
            self._look_back(index, self.known[index][self.known[index] < earliest], steps[index])

    def _look_back(self, index: int, opens: NDArray[np.int64], steps: int) -> None:
        """Start ``steps`` candles before the end, or at the first candle if there are fewer."""
        self.short[index] = opens.size < steps
        self.starts[index] = int(opens[max(0, opens.size - steps)]) if opens.size else 0


def _steps_back(plan: Plan) -> list[int]:
    """Series -> how many candles its delays look back on, and for a base series also its truths."""
    longest = [0] * len(plan.series)
    for slot, _, steps in plan.layout.delays.array.tolist():
        owner = int(plan.owners[slot])
        longest[owner] = max(longest[owner], steps)
    return [delay + 2 + (plan.memory if plan.is_base[index] else 0) for index, delay in enumerate(longest)]


def _opens(candles: pl.DataFrame) -> NDArray[np.int64]:
    opens: NDArray[np.int64] = candles["open_time"].dt.epoch("ms").to_numpy()
    return opens

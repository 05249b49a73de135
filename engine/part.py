"""Groups that are judged by one evaluator, and how their series step.

A group is a base series with the set of other series that its conditions read. Groups that read their base alone share
one part: each moves when its own candle is there. Groups that read other series share a part as long as they move
together, because what they see of the others belongs to one moment; when only some can move, they part.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.candle_columns import VALUES
from common.timeframes import DURATION_MS, slot_at_or_before
from engine.calendars import LONGEST_CLOSURE_MS, SeriesCalendar
from engine.evaluate import Evaluator, Fired, SeriesPast
from engine.plan import Plan
from indicators.kernels.tick_program import CANDLE_ROWS
from registry.groups import Group, Series

Slot = Mapping[Series, Sequence[float]]
"""The candles of one slot: series -> open, high, low, close, volume."""

Load = Callable[[str, int], Slot]
"""(timeframe, open time) -> its candles."""


@dataclass(frozen=True)
class PlanGroup:
    """One group of a part."""

    name: Group
    base: int
    """Index of its base series in the plan."""
    series: tuple[int, ...]
    """Indices of all series that it reads, the base among them."""


@dataclass(frozen=True)
class Moved:
    """What a part did on one slot."""

    fired: list[Fired]
    judge_us: int
    judged: NDArray[np.bool_]
    """Series -> whether it is a base that was judged."""
    loaded: NDArray[np.bool_]
    """Series -> whether a candle of it was used."""


@dataclass(frozen=True)
class SeriesHistory:
    """What a part is told of a series: its first candle, and its as-judged candles, oldest first, up to the last close
    time that a group of the part has reached: those since its anchor, or those since ``past``."""

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
        """Bring an evaluator to where the groups are.

        Indicators come by their history kernels up to a few steps before it; those steps are repeated as live ones.
        """
        self.plan = plan
        self.groups = tuple(groups)
        self.reached = dict(reached)
        self._evaluator = Evaluator(plan)
        self._calendars = tuple(calendars)
        self._know_series()
        self._first_open = [histories[name].first_open_ms for name in self.names]
        self._last_open: list[int | None] = [None] * len(self.names)
        self._restore(histories)

    def _know_series(self) -> None:
        self.names = tuple(self.plan.series)
        self._lengths = [DURATION_MS[series.timeframe] for series in self.plan.series]
        self._bases = {group.base for group in self.groups}

    def adopt(self, other: "Part") -> None:
        """Take in another part's conditions and groups. Both must be at the same moment, unless both are alone."""
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
        here = {group.name for group in self.groups}
        self.groups += tuple(
            PlanGroup(group.name, theirs[group.base], tuple(theirs[i] for i in group.series))
            for group in other.groups
            if group.name not in here
        )
        self.reached |= other.reached
        self._know_series()

    def pasts(self) -> Iterator[tuple[Series, SeriesPast]]:
        """Series -> where its indicators are, for all series that have had a candle."""
        for index, name in enumerate(self.names):
            open_ms = self._last_open[index]
            if open_ms is not None:
                yield name, SeriesPast(open_ms, self._evaluator.candle_count(index), self._evaluator.carries(index))

    @property
    def is_alone(self) -> bool:
        """Whether its groups read their base alone and so need not move together."""
        return self.plan.is_alone

    def next_close(self, group: PlanGroup, first_open_after: Callable[[Series, int], int | None]) -> int | None:
        """The close time that a group has to reach next, ``None`` while a session series has no later candle.

        ``first_open_after(series, time)`` is the open time of a series' first candle that opens at or after a time.
        """
        reached = self.reached[group.name]
        if not self._calendars[group.base].has_sessions:
            return reached + self._lengths[group.base]
        open_ms = first_open_after(self.names[group.base], reached)
        return None if open_ms is None else open_ms + self._lengths[group.base]

    def missing(self, group: PlanGroup, close_ms: int, load: Load) -> list[tuple[Series, int, bool]]:
        """Candles that a group needs to reach ``close_ms`` and that are not there: series, open time, and whether the
        series has sessions, so that the market may have been closed.

        Of a series with sessions only the newest slot is asked for: what it may still get is its newest candle.
        """
        found = []
        for index in group.series:
            has_sessions = self._calendars[index].has_sessions
            opens = list(self._opens(index, self.reached[group.name], close_ms))
            found += [
                (self.names[index], open_ms, has_sessions)
                for open_ms in (opens[-1:] if has_sessions else opens)
                if self.names[index] not in load(self.plan.series[index].timeframe, open_ms)
            ]
        return found

    def move(self, groups: Sequence[PlanGroup], close_ms: int, load: Load) -> Moved:
        """Judge the candle that closes at ``close_ms`` for groups that can move: all of them, unless they are alone."""
        bases = {group.base for group in groups}
        loaded = np.zeros(len(self.names), np.bool_)
        if not self.is_alone:
            since = min(self.reached.values())
            others = [index for index in range(len(self.names)) if index not in self._bases]
            closes = {open_ms + self._lengths[i] for i in others for open_ms in self._opens(i, since, close_ms)}
            for earlier in sorted(closes - {close_ms}):
                loaded |= self._step(earlier, others, load)
            bases = bases.union(others)
        loaded |= self._step(close_ms, bases, load)
        judged = np.zeros(len(self.names), np.bool_)
        judged[[group.base for group in groups]] = True
        started = time.perf_counter_ns()
        fired = self._judge(close_ms, judged & loaded)
        judge_us = (time.perf_counter_ns() - started) // 1000
        self.reached.update({group.name: close_ms for group in groups})
        return Moved(fired, judge_us, judged, loaded)

    def _step(self, close_ms: int, series: Sequence[int] | set[int], load: Load) -> NDArray[np.bool_]:
        """Let series step that have a slot closing at a time; which of them had a candle."""
        count = len(self.names)
        loaded = np.zeros(count, np.bool_)
        for timeframe in self.plan.timeframes:
            open_ms = close_ms - DURATION_MS[timeframe]
            if slot_at_or_before(close_ms, timeframe) != close_ms:
                continue
            slot = load(timeframe, open_ms)
            candles = np.zeros((len(CANDLE_ROWS), count))
            candles[CANDLE_ROWS.index("day")] = open_ms // DURATION_MS["1d"]
            present, stepping = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
            for index in series:
                if self.plan.series[index].timeframe != timeframe or open_ms < self._first_open[index]:
                    continue
                if self.names[index] in slot:
                    candles[: len(VALUES), index] = slot[self.names[index]]
                    present[index] = stepping[index] = True
                    self._note_candle(index, open_ms)
                else:
                    # Without sessions a missing candle is a hole; with them the market was closed.
                    stepping[index] = not self._calendars[index].has_sessions
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

    def _judge(self, close_ms: int, judged: NDArray[np.bool_]) -> list[Fired]:
        for index in range(len(self.names)):
            last = self._last_open[index]
            if index in self._bases or last is None or not self._calendars[index].has_sessions:
                continue
            if close_ms - (last + self._lengths[index]) > LONGEST_CLOSURE_MS:
                self._evaluator.interrupt(index)
        return self._evaluator.judge(judged) if judged.any() else []

    def _opens(self, index: int, since_ms: int, until_ms: int) -> Iterator[int]:
        """Open times of a series' slots that close after one time and up to another, from its first candle on."""
        length = self._lengths[index]
        open_ms = max(slot_at_or_before(since_ms, self.plan.series[index].timeframe), self._first_open[index])
        while open_ms + length <= until_ms:
            yield open_ms
            open_ms += length

    def _ends(self) -> list[int]:
        """Series -> the close time up to which it has stepped."""
        ends = [max(self.reached.values())] * len(self.names)
        for group in self.groups:
            ends[group.base] = self.reached[group.name]
        return ends

    def _restore(self, histories: Mapping[Series, SeriesHistory]) -> None:
        ends = self._ends()
        repeats = Repeats(self.plan, self._bases, ends, [histories[name].candles for name in self.names])
        known, starts = repeats.known, repeats.starts
        repeated: dict[tuple[str, int], dict[Series, Sequence[float]]] = {}
        closes: dict[int, list[int]] = {}
        for index, name in enumerate(self.names):
            held = histories[name]
            history = held.candles.head(known[index].size)
            before = history.filter(pl.Series(known[index] < starts[index]))
            after = history.filter(pl.Series(known[index] >= starts[index]))
            self._evaluator.restore(index, before, held.past)
            if before.height:
                self._last_open[index] = int(before["open_time"].dt.epoch("ms")[-1])
            elif held.past is not None:
                self._last_open[index] = held.past.open_ms
            timeframe = self.plan.series[index].timeframe
            for open_ms, row in zip(after["open_time"].dt.epoch("ms"), after.select(VALUES).rows(), strict=True):
                repeated.setdefault((timeframe, open_ms), {})[name] = row
            for open_ms in self._opens(index, starts[index], ends[index]):
                closes.setdefault(open_ms + self._lengths[index], []).append(index)
        for close_ms, stepping in sorted(closes.items()):
            loaded = self._step(close_ms, stepping, lambda timeframe, open_ms: repeated.get((timeframe, open_ms), {}))
            bases = np.zeros(len(self.names), np.bool_)
            bases[[index for index in stepping if index in self._bases]] = True
            self._judge(close_ms, bases & loaded)


class Repeats:
    """The last candles of each series, which a restored part takes as live steps so that whatever looks back is known.

    ``known`` are the open times of the candles up to ``ends``, ``starts`` the open time from which they are repeated,
    ``short`` says whether there should have been more of them.
    """

    def __init__(
        self, plan: Plan, bases: Collection[int], ends: Sequence[int], candles: Sequence[pl.DataFrame]
    ) -> None:
        lengths = [DURATION_MS[series.timeframe] for series in plan.series]
        opens = [_opens(held) for held in candles]
        self.known = [held[held + length <= end] for held, length, end in zip(opens, lengths, ends, strict=True)]
        self.starts = [0] * len(opens)
        self.short = [False] * len(opens)
        steps = _steps_back(plan)
        for base in bases:
            self._look_back(base, self.known[base], steps[base])
        earliest = min(self.starts[base] for base in bases)
        for index in set(range(len(opens))) - set(bases):
            self._look_back(index, self.known[index][self.known[index] < earliest], steps[index])

    def _look_back(self, index: int, opens: NDArray[np.int64], steps: int) -> None:
        """From the candle so many candles before the end; from the first one where there are not as many."""
        self.short[index] = opens.size < steps
        self.starts[index] = int(opens[max(0, opens.size - steps)]) if opens.size else 0


def _steps_back(plan: Plan) -> list[int]:
    """Series -> candles that its delays, and of a base series also its truths, look back on."""
    longest = [0] * len(plan.series)
    for slot, _, steps in plan.layout.delays.array.tolist():
        owner = int(plan.owners[slot])
        longest[owner] = max(longest[owner], steps)
    return [delay + 2 + (plan.memory if plan.is_base[index] else 0) for index, delay in enumerate(longest)]


def _opens(candles: pl.DataFrame) -> NDArray[np.int64]:
    opens: NDArray[np.int64] = candles["open_time"].dt.epoch("ms").to_numpy()
    return opens

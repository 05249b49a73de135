"""What the hub has to judge, when and on which candles: the design's rules about time, on plain dictionaries.

It is told what arrives, what is registered and when a tick is run; it knows which candles are *as-judged* (the first
final versions, from the anchor on), how far each group has come, which slots were given up, and what was late. What a
candle means is the oracle's business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from common.grids import UTC_GRID, Grid
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.instruments import Calendar
from tests.engine.oracle_slots import first_after, last_closed, slot_at, slots_after
from tests.engine.slow_oracle import MINUTE_MS, length_of

Candle = tuple[float, float, float, float, float]
"""Open, high, low, close, volume."""

_COLUMNS = {
    "exchange": pl.String,
    "symbol": pl.String,
    "timeframe": pl.String,
    "open_time": pl.Int64,
    **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64),
}


@dataclass(frozen=True)
class Judgement:
    """A condition was judged on a candle, and would have been delivered."""

    condition_id: str
    close_ms: int
    late: bool


@dataclass
class HubModel:
    """What the hub should have judged by now, and what it should judge next."""

    calendars: Mapping[str, Calendar]
    grids: Mapping[str, Grid] = field(default_factory=dict)
    candles: dict[Series, dict[int, Candle]] = field(default_factory=dict)
    conditions: dict[str, Condition] = field(default_factory=dict)
    active_from: dict[str, int] = field(default_factory=dict)
    watermarks: dict[Group, int] = field(default_factory=dict)
    anchors: dict[Series, int] = field(default_factory=dict)
    judged_until: dict[Series, int] = field(default_factory=dict)
    """Series -> close time of its last slot that has been judged."""
    judgements: list[Judgement] = field(default_factory=list)
    holes: int = 0
    ticks: int = 0
    _revisions: set[tuple[Series, int, Candle]] = field(default_factory=set)
    _by_group: dict[Group, list[Condition]] = field(default_factory=dict)
    _begun: dict[Group, int] = field(default_factory=dict)
    """Groups that a run has seen and that have not moved yet -> where they will start."""

    def register(self, condition: Condition, active_from_ms: int) -> None:
        """The first registration of a condition counts."""
        if condition.id not in self.conditions:
            self._by_group.setdefault(condition.group, []).append(condition)
        self.conditions.setdefault(condition.id, condition)
        self.active_from.setdefault(condition.id, active_from_ms)

    def arrive(self, series: Series, open_ms: int, candle: Candle) -> str:
        """What becomes of a candle: a slot that has been judged, hole or not, keeps what it had."""
        candles = self.candles.setdefault(series, {})
        if candles.get(open_ms) == candle:
            return "unchanged"
        if self.is_judged(series, open_ms):
            known = (series, open_ms, candle) in self._revisions
            self._revisions.add((series, open_ms, candle))
            return "unchanged" if known else "revised"
        verdict = "replaced" if open_ms in candles else "inserted"
        candles[open_ms] = candle
        return verdict

    def is_judged(self, series: Series, open_ms: int) -> bool:
        """Whether a slot has been judged, with its candle or as a hole."""
        if series not in self.anchors:
            return False
        return self.anchors[series] <= open_ms and self.close_of(series, open_ms) <= self.judged_until[series]

    def close_of(self, series: Series, open_ms: int) -> int:
        """When the slot ends that begins at a time."""
        slot = slot_at(open_ms, series.timeframe, self.grid(series))
        assert slot is not None, "a candle opens with a slot"
        return slot[1]

    def grid(self, series: Series) -> Grid:
        """Where the slots of a series begin."""
        return self.grids.get(str(series.instrument), UTC_GRID)

    def is_being_begun(self, series: Series, open_ms: int) -> bool:
        """Whether a candle is one from which a group starts that a run has seen but not recorded yet."""
        close_ms = self.close_of(series, open_ms)
        for group, start_ms in self._begun.items():
            if series in group.series:
                first = min(self.candles.get(series, {}), default=open_ms)
                active_from = max(self.active_from[condition.id] for condition in self._conditions(group))
                if open_ms < first or close_ms <= max(start_ms, active_from):
                    return True
        return False

    def run(self, timeframe: str, tick_ms: int, now_ms: int, most: int | None = None) -> int:
        """Advance the watermarks to a tick, or die after ``most`` recorded slots; returns when it ends."""
        waiting: set[Group] = set()
        reached = {group: self._reached(group) for group in self._groups(timeframe)}
        self._begun |= {group: start for group, start in reached.items() if group not in self.watermarks}
        recorded = 0
        while most is None or recorded < most:
            closes = {group: self._next_close(group, mark) for group, mark in reached.items() if group not in waiting}
            due = {group: close for group, close in closes.items() if close is not None and close <= tick_ms}
            if not due:
                break
            close_ms = min(due.values())
            now_ms = max(now_ms, close_ms)
            moved, holes = [], set()
            for group in (group for group, close in due.items() if close == close_ms):
                given_up = self._given_up(group, reached[group], close_ms, now_ms)
                if given_up is None:
                    waiting.add(group)
                else:
                    holes |= given_up
                    moved.append(group)
            if moved:
                self._record(moved, close_ms, late=now_ms >= close_ms + length_of(timeframe))
                reached |= dict.fromkeys(moved, close_ms)
                self.holes += len(holes)
                recorded += 1
        self.ticks += recorded
        return now_ms if recorded == most else max(now_ms, tick_ms)

    def as_judged(self) -> dict[Series, pl.DataFrame]:
        """Series -> the candles that were judged, oldest first."""
        return {
            series: frame_of(
                (series, open_ms, candle)
                for open_ms, candle in sorted(self.candles[series].items())
                if self.is_judged(series, open_ms)
            )
            for series in self.anchors
        }

    def _record(self, groups: Iterable[Group], close_ms: int, *, late: bool) -> None:
        for group in groups:
            for condition in self._conditions(group):
                base = condition.series
                is_there = last_closed(close_ms, base.timeframe, self.grid(base))[0] in self.candles[base]
                if is_there and close_ms > self.active_from[condition.id]:
                    self.judgements.append(Judgement(condition.id, close_ms, late))
            self.watermarks[group] = close_ms
            self._begun.pop(group, None)
            for series in group.series:
                self.anchors.setdefault(series, min(self.candles[series]))
                seen = last_closed(close_ms, series.timeframe, self.grid(series))[1]
                self.judged_until[series] = max(self.judged_until.get(series, seen), seen)

    def _given_up(self, group: Group, reached_ms: int, close_ms: int, now_ms: int) -> set[tuple[Series, int]] | None:
        """Slots without a candle that the group passes; ``None`` if one may still come."""
        holes: set[tuple[Series, int]] = set()
        for series in group.series:
            candles = self.candles[series]
            anchor = self.anchors.get(series, min(candles))
            passed = slots_after(max(reached_ms, anchor), close_ms, series.timeframe, self.grid(series))
            passed = [slot for slot in passed if slot[0] >= anchor]
            if self._has_sessions(series):
                passed = passed[-1:]
            for open_ms, end_ms in (slot for slot in passed if slot[0] not in candles):
                if now_ms < end_ms + min(2 * (end_ms - open_ms), 5 * MINUTE_MS):
                    return None
                if self._has_sessions(series):
                    continue
                if max(candles) < open_ms:
                    return None
                holes.add((series, open_ms))
        return holes

    def _next_close(self, group: Group, reached_ms: int) -> int | None:
        base = group.base
        if not self._has_sessions(base):
            return first_after(reached_ms, base.timeframe, self.grid(base))[1]
        later = [open_ms for open_ms in self.candles[base] if open_ms >= reached_ms]
        return self.close_of(base, min(later)) if later else None

    def _reached(self, group: Group) -> int:
        """The watermark; of a new group the last candle that had closed when its first condition became active."""
        if group in self.watermarks:
            return self.watermarks[group]
        base = group.base
        active_from = min(self.active_from[condition.id] for condition in self._conditions(group))
        closes = [self.close_of(base, open_ms) for open_ms in self.candles[base]]
        return max((close for close in closes if close <= active_from), default=min(self.candles[base]))

    def _groups(self, timeframe: str) -> list[Group]:
        """Groups of a timeframe whose series all have a candle."""
        return [
            group
            for group in self._by_group
            if group.base.timeframe == timeframe and all(self.candles.get(series) for series in group.series)
        ]

    def _conditions(self, group: Group) -> list[Condition]:
        return self._by_group[group]

    def _has_sessions(self, series: Series) -> bool:
        return self.calendars.get(str(series.instrument)) == "sessions"


def frame_of(rows: Iterable[tuple[Series, int, Candle]]) -> pl.DataFrame:
    """(series, open time, candle) as a candle frame."""
    flat = [
        (series.instrument.exchange, series.instrument.symbol, series.timeframe, open_ms, *candle)
        for series, open_ms, candle in rows
    ]
    return pl.DataFrame(flat, schema=_COLUMNS, orient="row").with_columns(
        pl.from_epoch("open_time", "ms").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    )

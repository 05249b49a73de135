"""Builds parts from the store: each series from its newest usable checkpoint, otherwise from its anchor."""

from collections.abc import Mapping, Sequence

from candles.series import SeriesReader
from engine.evaluate import SeriesPast
from engine.part import Part, PlanGroup, Repeats, SeriesHistory
from engine.plan import Plan, make_plan
from flows.checkpoints import Checkpoints
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.store.protocol import Store


class PartBuilder:
    """Builds parts from the candles of ``reader``; ``new_anchors`` are those that the store does not know yet."""

    def __init__(self, store: Store, reader: SeriesReader, new_anchors: Mapping[Series, int]) -> None:
        self.reader = reader
        self._store = store
        self._new_anchors = new_anchors

    def build(self, reached: Mapping[Group, int], conditions: Mapping[Group, Sequence[Condition]]) -> Part:
        """A part of the groups in ``reached``, each brought to the close time that it has reached."""
        plan = make_plan(condition for group in reached for condition in conditions[group])
        index = {series: position for position, series in enumerate(plan.series)}
        members = [make_plan_group(group, index) for group in sorted(reached)]
        calendars = list(map(self.reader.calendar, plan.series))
        return Part(plan, members, reached, calendars, self._histories(plan, members, reached))

    def _histories(
        self, plan: Plan, members: Sequence[PlanGroup], reached: Mapping[Group, int]
    ) -> dict[Series, SeriesHistory]:
        """The candles of each series since a checkpoint, or since its anchor if no checkpoint is usable."""
        known, until = self._store.ticks.anchors(), max(reached.values())
        anchors = [known.get(series, self._new_anchors.get(series, 0)) for series in plan.series]
        checkpoints = Checkpoints(self._store, plan)
        ends = [until] * len(plan.series)
        for member in members:
            ends[member.base] = reached[member.group]
        bases = {member.base for member in members}
        histories: dict[int, SeriesHistory] = {}
        again: Sequence[int] = range(len(plan.series))
        while again:
            pasts = {
                position: self._past(position, plan, anchors, ends, checkpoints, histories.get(position))
                for position in again
            }
            histories |= self._since(pasts, plan, anchors, ends)
            # A checkpoint that leaves too few candles to repeat is replaced by an older one, or by the anchor.
            candles = [histories[position].candles for position in range(len(plan.series))]
            short = Repeats(plan, bases, ends, candles, list(map(self.reader.calendar, plan.series))).short
            again = [position for position, history in histories.items() if short[position] and history.past]
        return {series: histories[position] for position, series in enumerate(plan.series)}

    def _past(
        self,
        position: int,
        plan: Plan,
        anchors: Sequence[int],
        ends: Sequence[int],
        checkpoints: Checkpoints,
        newer: SeriesHistory | None,
    ) -> SeriesPast | None:
        """The newest checkpoint of a series, or the last one before that of ``newer``."""
        last_open = self.reader.calendar(plan.series[position]).last_open(ends[position])
        until = last_open if newer is None or newer.past is None else newer.past.open_ms - 1
        return checkpoints.of(position, anchors[position], until)

    def _since(
        self, pasts: Mapping[int, SeriesPast | None], plan: Plan, anchors: Sequence[int], ends: Sequence[int]
    ) -> dict[int, SeriesHistory]:
        """The candles of each series since its past, or since its anchor without one."""
        spans: dict[Series, tuple[int, int]] = {}
        for position, past in pasts.items():
            series = plan.series[position]
            start = anchors[position] if past is None else past.open_ms + 1
            spans[series] = start, self.reader.calendar(series).last_open(ends[position]) + 1
        candles = self.reader.spans(spans)
        for series, frame in candles.items():
            self.reader.calendar(series).require_slots(series, frame["open_time"].dt.epoch("ms").to_numpy())
        return {
            position: SeriesHistory(anchors[position], candles[plan.series[position]], past)
            for position, past in pasts.items()
        }


def make_plan_group(group: Group, index: Mapping[Series, int]) -> PlanGroup:
    """A group in a plan whose series have the positions ``index``."""
    return PlanGroup(group, index[group.base], tuple(index[series] for series in group.series))

"""Judges all registered conditions on their candles with and without a supposed change, and counts what differs.

Series by series: the candles of a series and of those that its conditions read are in memory, and of indicators as many
as fit. What is judged is what the candles say from the anchor on, as of today; when a condition was active and what was
recorded does not matter, since a change would concern the time to come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from cachetools import LRUCache
from numpy.typing import NDArray

from analysis.stretches import Calculation, Outputs, Stretch, whole_stretch
from analysis.valuation import Valuation, wanted_of
from analysis.whatif.changes import AS_IT_IS, SupposedChange
from candles.epochs import Epochs
from common.errors import ConditionError, WhatIfError
from engine.calendars import Calendars
from indicators.compute import Array, Candles
from registry.conditions import Condition
from registry.groups import Series
from registry.language.tree import IndicatorOutput, Variable, variables
from registry.store.parts.registry import StoredCondition, read_condition
from registry.store.protocol import Store

_INDICATOR_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class ChangedTriggers:
    """What would change of one condition."""

    condition_id: str
    condition: str
    before: int
    after: int
    gone: int
    """Triggers that there would not be."""
    new: int
    """Triggers that there would be besides."""
    bots: int
    """Active subscriptions."""


@dataclass(frozen=True)
class WhatIf:
    """What would change. Nobody's name is in it."""

    registered: int
    concerned: int
    """Conditions that the change can concern, and that were judged with and without it."""
    without_candles: int
    """Others that it can concern, and that have no candles."""
    refused: int
    """Others that could not be as they would have to be: their parameters would contradict each other."""
    example: str
    """Why one of those could not be."""
    before: int
    after: int
    gone: int
    new: int
    owners: int
    """Users with a bot that would get other triggers."""
    bots: int
    conditions: tuple[ChangedTriggers, ...]
    """Those whose triggers would change, most changed first."""


def what_if(
    store: Store,
    change: SupposedChange,
    *,
    since_ms: int | None = None,
    until_ms: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> WhatIf:
    """Replay a change over all registered conditions, on candles that close after a time and by another, by default
    all. ``progress`` is called with the number of series done and their total.

    Raises :class:`common.errors.WhatIfError` for a definition that fails.
    """
    stored = store.registry.conditions()
    by_base: dict[Series, list[Condition]] = {}
    for condition in _readable(stored):
        if change.concerns(condition):
            by_base.setdefault(condition.series, []).append(condition)
    tally = _Tally(len(stored))
    for done, (_, conditions) in enumerate(sorted(by_base.items())):
        _of_series(store, change, conditions, tally, since_ms, until_ms)
        if progress is not None:
            progress(done + 1, len(by_base))
    owners: set[str] = set()
    for changed in tally.changed:
        subscribers = store.registry.subscribers_of(changed.condition_id)
        owners |= {each.user_id for each in subscribers if each.state == "active"}
    return tally.result(len(owners))


class _Tally:
    def __init__(self, registered: int) -> None:
        self._registered = registered
        self.concerned = self.without_candles = self.refused = 0
        self.example = ""
        self.before = self.after = 0
        self.changed: list[ChangedTriggers] = []

    def result(self, owners: int) -> WhatIf:
        changed = sorted(self.changed, key=lambda each: (-each.gone - each.new, each.condition_id))
        return WhatIf(
            registered=self._registered,
            concerned=self.concerned,
            without_candles=self.without_candles,
            refused=self.refused,
            example=self.example,
            before=self.before,
            after=self.after,
            gone=sum(each.gone for each in changed),
            new=sum(each.new for each in changed),
            owners=owners,
            bots=sum(each.bots for each in changed),
            conditions=tuple(changed),
        )


class _World:
    """The candles of some series, as they are or as they would be, with the indicators on them."""

    def __init__(self, change: SupposedChange, histories: Mapping[Series, pl.DataFrame], calendars: Calendars) -> None:
        self._change = change
        self._calendars = calendars
        self._candles = {series: change.candles(candles, calendars) for series, candles in histories.items()}
        self._known: LRUCache[tuple[Series, Calculation, IndicatorOutput], Array] = LRUCache(
            _INDICATOR_BYTES, lambda column: column.nbytes
        )

    def fires(self, condition: Condition) -> NDArray[np.int64]:
        """The close times of its triggers."""
        wanted = wanted_of(condition, dict.fromkeys(variables(condition.tree)))
        values = Valuation.over(condition, {series: self._stretch(series, wanted[series]) for series in wanted})
        return values.closes[values.fires()]

    def _stretch(self, series: Series, wanted: Mapping[Variable, None]) -> Stretch:
        def compute(
            calculation: Calculation,
            outputs: Sequence[IndicatorOutput],
            columns: Candles,
            values: Mapping[Variable, Array],
        ) -> Outputs:
            known = {each: self._known.get((series, calculation, each)) for each in outputs}
            missing = [each for each, column in known.items() if column is None]
            fresh = self._change.compute(calculation, missing, columns, values) if missing else {}
            for each in missing:
                if fresh[each].nbytes <= self._known.maxsize:
                    self._known[series, calculation, each] = fresh[each]
            return {each: fresh[each] if column is None else column for each, column in known.items()}

        return whole_stretch(self._candles[series], self._calendars.of(series), wanted, compute)


def _readable(stored: Sequence[StoredCondition]) -> list[Condition]:
    conditions = []
    for each in stored:
        try:
            conditions.append(read_condition(each))
        except ConditionError:
            # It is in error, and judged neither today nor with the change.
            continue
    return conditions


def _of_series(
    store: Store,
    change: SupposedChange,
    conditions: Sequence[Condition],
    tally: _Tally,
    since_ms: int | None,
    until_ms: int | None,
) -> None:
    epochs = Epochs(store)
    histories: dict[Series, pl.DataFrame] = {}
    for condition in conditions:
        for series, history in epochs.up_to(condition, None).items():
            if series not in histories:
                histories[series] = pl.concat(list(history.blocks()))
    calendars = epochs.calendars(conditions[0], None)
    as_it_is, supposed = (_World(each, histories, calendars) for each in (AS_IT_IS, change))
    subscribers = store.registry.subscribers()
    for condition in conditions:
        if any(series not in histories for series in condition.all_series):
            tally.without_candles += 1
            continue
        try:
            other = change.condition(condition)
        except WhatIfError as error:
            tally.refused += 1
            tally.example = tally.example or str(error)
            continue
        before, after = (
            _within(world.fires(each), since_ms, until_ms) for world, each in ((as_it_is, condition), (supposed, other))
        )
        tally.concerned += 1
        tally.before += before.size
        tally.after += after.size
        gone, new = np.setdiff1d(before, after).size, np.setdiff1d(after, before).size
        if gone or new:
            bots = subscribers.get(condition.id, 0)
            tally.changed.append(
                ChangedTriggers(condition.id, str(condition), before.size, after.size, gone, new, bots)
            )


def _within(closes: NDArray[np.int64], since_ms: int | None, until_ms: int | None) -> NDArray[np.int64]:
    if since_ms is not None:
        closes = closes[closes > since_ms]
    return closes if until_ms is None else closes[closes <= until_ms]

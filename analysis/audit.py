"""Are the recorded triggers the right ones? Everything is judged again and compared; nothing is written.

The expected triggers follow from the candles as they were judged: each group's from the anchors and candles of each of
its epochs (``candles.epochs``), by the scan, which has no state that could be wrong. Their operand values come from
``analysis.valuation``, which shares no plan with the tick or the scan. In addition, candles are judged with the
revisions that are not in use, to say what those would have changed; such differences are not errors.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.valuation import Valuation
from candles.calendars import stored_calendars
from candles.epochs import Epoch, Epochs
from common.errors import ConditionError
from engine.calendars import Calendars
from engine.scanning import scan
from registry.activity import ActiveSpan, is_active
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.language.as_text.text import to_text
from registry.language.tree import Number, operands
from registry.store.parts.registry import StoredCondition, read_condition
from registry.store.protocol import Store

_AT_A_TIME = 100_000
"""Recorded triggers that are read at a time."""
_CLOCKS_DIFFER_MS = 3_600_000
"""By how much a trigger may seem to be recorded before its candle closed."""

Kind = Literal["missing", "extra", "different"]
TriggerKey = tuple[str, int]
"""Condition id and close time."""


@dataclass(frozen=True)
class TriggerContents:
    """What a trigger says: the price, whether indicators had settled, and the values of the operands."""

    price: float
    settled: bool
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Difference:
    """A trigger that is not recorded, not expected, or recorded with other contents."""

    kind: Kind
    condition_id: str
    close_ms: int
    recorded: TriggerContents | None
    expected: TriggerContents | None


@dataclass(frozen=True)
class Audit:
    """What was compared, and what differs. Times are close times in milliseconds."""

    conditions: int
    groups: int
    triggers: int
    """Triggers recorded in the audited span."""
    differences: tuple[Difference, ...]
    revised: tuple[Difference, ...]
    """What pending revisions would have changed: ``missing`` would have fired too, ``extra`` would not have."""
    texts: Mapping[str, str]
    """Condition id -> text."""
    unreadable: tuple[str, ...] = ()
    """Conditions whose stored text cannot be read any more: neither they nor their triggers were checked."""
    unverifiable: int = 0
    """Triggers recorded in the audited span, besides ``triggers``, of conditions that an upgrade of the hub superseded:
    what they were computed with is gone."""


@dataclass(frozen=True)
class Span:
    """Candles that close after one time and by another; ``None`` is no bound."""

    since_ms: int | None
    until_ms: int | None

    def within(self, after_ms: int | None, until_ms: int | None) -> "Span":
        """What this span and another one have in common."""
        afters = [each for each in (self.since_ms, after_ms) if each is not None]
        untils = [each for each in (self.until_ms, until_ms) if each is not None]
        return Span(max(afters, default=None), min(untils, default=None))

    def has(self, close_ms: int) -> bool:
        return (self.since_ms is None or close_ms > self.since_ms) and (
            self.until_ms is None or close_ms <= self.until_ms
        )


def compare(
    recorded: Mapping[TriggerKey, TriggerContents], expected: Mapping[TriggerKey, TriggerContents]
) -> tuple[Difference, ...]:
    """The differences, oldest first."""
    differences = []
    for key in sorted(recorded.keys() | expected.keys(), key=lambda key: (key[1], key[0])):
        was, wanted = recorded.get(key), expected.get(key)
        if was != wanted:
            kind: Kind = "missing" if was is None else "extra" if wanted is None else "different"
            differences.append(Difference(kind, *key, was, wanted))
    return tuple(differences)


def expected_triggers(
    conditions: Iterable[Condition],
    histories: Mapping[Series, pl.DataFrame],
    calendars: Calendars,
    *,
    after_ms: int | None = None,
    until_ms: int | None = None,
) -> dict[TriggerKey, TriggerContents]:
    """The triggers of conditions on histories that begin at the anchors: all, or those of candles that close after one
    time and by another."""
    by_id = {condition.id: condition for condition in conditions}
    rows = scan(by_id.values(), pl.concat(list(histories.values())), calendars=calendars)
    close_ms = pl.col("close_time").dt.epoch("ms")
    if after_ms is not None:
        rows = rows.filter(close_ms > after_ms)
    if until_ms is not None:
        rows = rows.filter(close_ms <= until_ms)
    triggers: dict[TriggerKey, TriggerContents] = {}
    for (condition_id,), mine in rows.partition_by("condition_id", as_dict=True).items():
        condition = by_id[str(condition_id)]
        values = Valuation(condition, histories, calendars)
        at = np.searchsorted(values.opens, mine["open_time"].dt.epoch("ms").to_numpy())
        keys = [(condition.id, close_ms) for close_ms in mine["close_time"].dt.epoch("ms")]
        triggers |= zip(keys, contents_of(values, at, mine["price"].to_list(), mine["settled"].to_list()), strict=True)
    return triggers


def contents_of(
    values: Valuation, rows: NDArray[np.int64], prices: Iterable[float], settled: Iterable[bool]
) -> Iterator[TriggerContents]:
    """What triggers on some rows say, with the values of the operands there."""
    condition = values.condition
    read = {
        to_text(operand, condition.series): values.value(operand)[rows].tolist()
        for operand in dict.fromkeys(operands(condition.tree))
        if not isinstance(operand, Number)
    }
    for row, (price, is_settled) in enumerate(zip(prices, settled, strict=True)):
        shown = {name: column[row] if np.isfinite(column[row]) else None for name, column in read.items()}
        yield TriggerContents(price, is_settled, shown)


def audit(
    store: Store,
    *,
    since_ms: int | None = None,
    until_ms: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Audit:
    """Judge again what has been judged: candles that close after ``since_ms`` and up to ``until_ms``, by default all.

    ``progress`` is called with the number of groups done and the total.
    """
    wanted = Span(since_ms, until_ms)
    groups: dict[Group, list[StoredCondition]] = {}
    for condition in store.registry.conditions():
        groups.setdefault(condition.group, []).append(condition)
    marks, last_seq = _judged_so_far(store, groups)
    epochs, current, activity = Epochs(store), stored_calendars(store), store.registry.activity()
    pending = set(store.candles.revisions().filter("pending")["series"])
    expected: dict[TriggerKey, TriggerContents] = {}
    revised: list[Difference] = []
    unreadable: set[str] = set()
    for done, (group, watermark) in enumerate(sorted(marks.items())):
        judging: dict[Condition, Sequence[ActiveSpan]] = {}
        for stored in groups[group]:
            try:
                judging[read_condition(stored)] = activity[stored.condition_id]
            except ConditionError:
                unreadable.add(stored.condition_id)
        for epoch in epochs.of(group, watermark) if judging else ():
            calendars = current.with_fixed(epoch.grids)
            judged = _of_epoch(judging, epoch, epochs.histories(epoch), calendars, wanted)
            expected |= judged
            if epoch.rebase == store.ticks.last_rebase() and any(anchor.stored in pending for anchor in epoch.anchors):
                histories = epochs.histories(epoch, revised=True)
                revised += compare(judged, _of_epoch(judging, epoch, histories, calendars, wanted))
        if progress is not None:
            progress(done + 1, len(marks))
    recorded = {key: each for key, each in _recorded(store, wanted, last_seq).items() if key[0] not in unreadable}
    superseded = store.registry.successors()
    verifiable = {key: contents for key, contents in recorded.items() if key[0] not in superseded}
    return Audit(
        conditions=sum(len(groups[group]) for group in marks) - len(unreadable),
        groups=len(marks),
        triggers=len(verifiable),
        differences=compare(verifiable, expected),
        revised=tuple(revised),
        texts={condition.condition_id: condition.text for group in groups.values() for condition in group},
        unreadable=tuple(sorted(unreadable)),
        unverifiable=len(recorded) - len(verifiable),
    )


def _of_epoch(
    conditions: Mapping[Condition, Sequence[ActiveSpan]],
    epoch: Epoch,
    histories: Mapping[Series, pl.DataFrame],
    calendars: Calendars,
    wanted: Span,
) -> dict[TriggerKey, TriggerContents]:
    """The triggers that conditions of one group should have had in an epoch, while they were active; those of a span
    that are wanted."""
    if any(history.is_empty() for history in histories.values()):
        return {}
    spans = {condition.id: active for condition, active in conditions.items()}
    within = wanted.within(epoch.after_ms, epoch.until_ms)
    triggers = expected_triggers(conditions, histories, calendars, after_ms=within.since_ms, until_ms=within.until_ms)
    return {key: contents for key, contents in triggers.items() if is_active(spans[key[0]], key[1])}


def _judged_so_far(store: Store, groups: Collection[Group]) -> tuple[dict[Group, int], int]:
    """The watermarks of groups, and the number of the newest trigger, as of one moment: ticks go on meanwhile."""
    timeframes = {group.base.timeframe for group in groups}
    last_seq = store.triggers.last_seq()
    while True:
        marks = {
            group: watermark
            for timeframe in timeframes
            for group, watermark in store.ticks.watermarks(timeframe).items()
            if group in groups
        }
        earlier, last_seq = last_seq, store.triggers.last_seq()
        if earlier == last_seq:
            return marks, last_seq


def _recorded(store: Store, wanted: Span, last_seq: int) -> dict[TriggerKey, TriggerContents]:
    """The triggers of a span, read from the newest back: none that was recorded before its start can belong to it."""
    recorded: dict[TriggerKey, TriggerContents] = {}
    until_seq = last_seq
    while until_seq > 0:
        after_seq = max(0, until_seq - _AT_A_TIME)
        rows = store.triggers.after(after_seq, _AT_A_TIME).filter(pl.col("seq") <= until_seq)
        recorded |= recorded_in(rows, wanted)
        newest = rows["emitted_at"].dt.epoch("ms").max()
        if wanted.since_ms is not None and isinstance(newest, int) and newest < wanted.since_ms - _CLOCKS_DIFFER_MS:
            break
        until_seq = after_seq
    return recorded


def recorded_in(rows: pl.DataFrame, wanted: Span) -> dict[TriggerKey, TriggerContents]:
    """What rows of recorded triggers say, as far as they are wanted."""
    columns = rows.select("condition_id", "price", "settled", "values").iter_rows()
    return {
        (condition_id, close_ms): TriggerContents(price, settled, json.loads(values))
        for close_ms, (condition_id, price, settled, values) in zip(
            rows["close_time"].dt.epoch("ms"), columns, strict=True
        )
        if wanted.has(close_ms)
    }

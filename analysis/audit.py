"""Are the recorded triggers the right ones? Everything is judged again and compared; nothing is written.

The expected triggers follow from the candles as they were judged: each group's from the anchors and candles of each of
its epochs (``candles.epochs``), by the scan, which has no state that could be wrong. Their operand values come from
``analysis.valuation``, which shares no plan with the tick or the scan. In addition, candles are judged with the
revisions that are not in use, to say what those would have changed; such differences are not errors.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from analysis.valuation import Valuation
from candles.calendars import stored_calendars
from candles.epochs import Epoch, Epochs
from common.errors import ConditionError
from engine.calendars import Calendars
from engine.history import scan
from registry.activity import ActiveSpan, is_active
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.language.as_text.text import to_text
from registry.language.tree import Number, operands
from registry.store.parts.registry import StoredCondition, read_condition
from registry.store.protocol import Store

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
    conditions: Iterable[Condition], histories: Mapping[Series, pl.DataFrame], calendars: Calendars
) -> dict[TriggerKey, TriggerContents]:
    """All triggers of conditions on histories that begin at the anchors."""
    by_id = {condition.id: condition for condition in conditions}
    rows = scan(by_id.values(), pl.concat(list(histories.values())), calendars=calendars)
    triggers: dict[TriggerKey, TriggerContents] = {}
    for (condition_id,), mine in rows.partition_by("condition_id", as_dict=True).items():
        condition = by_id[str(condition_id)]
        values = Valuation(condition, histories, calendars)
        at = np.searchsorted(values.opens, mine["open_time"].dt.epoch("ms").to_numpy())
        read = {
            to_text(operand, condition.series): values.value(operand)[at].tolist()
            for operand in dict.fromkeys(operands(condition.tree))
            if not isinstance(operand, Number)
        }
        closes, prices, settled = mine["close_time"].dt.epoch("ms"), mine["price"], mine["settled"]
        for row, (close_ms, price, is_settled) in enumerate(zip(closes, prices, settled, strict=True)):
            shown = {name: column[row] if np.isfinite(column[row]) else None for name, column in read.items()}
            triggers[condition.id, close_ms] = TriggerContents(price, is_settled, shown)
    return triggers


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
    groups: dict[Group, list[StoredCondition]] = {}
    for condition in store.registry.conditions():
        groups.setdefault(condition.group, []).append(condition)
    marks = {
        group: watermark
        for timeframe in {conditions[0].timeframe for conditions in groups.values()}
        for group, watermark in store.ticks.watermarks(timeframe).items()
        if group in groups
    }
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
            judged = _of_epoch(judging, epoch, epochs.histories(epoch), calendars)
            expected |= judged
            if epoch.rebase == store.ticks.last_rebase() and any(anchor.stored in pending for anchor in epoch.anchors):
                histories = epochs.histories(epoch, revised=True)
                revised += compare(judged, _of_epoch(judging, epoch, histories, calendars))
        if progress is not None:
            progress(done + 1, len(marks))
    wanted = _Span(since_ms, until_ms)
    recorded = {key: contents for key, contents in _recorded(store).items() if wanted.has(key[1])}
    recorded = {key: contents for key, contents in recorded.items() if key[0] not in unreadable}
    superseded = store.registry.successors()
    verifiable = {key: contents for key, contents in recorded.items() if key[0] not in superseded}
    return Audit(
        conditions=sum(len(groups[group]) for group in marks) - len(unreadable),
        groups=len(marks),
        triggers=len(verifiable),
        differences=compare(verifiable, {key: contents for key, contents in expected.items() if wanted.has(key[1])}),
        revised=tuple(difference for difference in revised if wanted.has(difference.close_ms)),
        texts={condition.condition_id: condition.text for group in groups.values() for condition in group},
        unreadable=tuple(sorted(unreadable)),
        unverifiable=len(recorded) - len(verifiable),
    )


@dataclass(frozen=True)
class _Span:
    since_ms: int | None
    until_ms: int | None

    def has(self, close_ms: int) -> bool:
        return (self.since_ms is None or close_ms > self.since_ms) and (
            self.until_ms is None or close_ms <= self.until_ms
        )


def _of_epoch(
    conditions: Mapping[Condition, Sequence[ActiveSpan]],
    epoch: Epoch,
    histories: Mapping[Series, pl.DataFrame],
    calendars: Calendars,
) -> dict[TriggerKey, TriggerContents]:
    """The triggers that conditions of one group should have had in an epoch, while they were active."""
    if any(history.is_empty() for history in histories.values()):
        return {}
    spans = {condition.id: active for condition, active in conditions.items()}
    within = _Span(epoch.after_ms, epoch.until_ms)
    return {
        (condition_id, close_ms): contents
        for (condition_id, close_ms), contents in expected_triggers(conditions, histories, calendars).items()
        if within.has(close_ms) and is_active(spans[condition_id], close_ms)
    }


def _recorded(store: Store) -> dict[TriggerKey, TriggerContents]:
    rows = store.triggers.after(0, store.triggers.last_seq())
    columns = ("condition_id", "price", "settled", "values")
    return {
        (condition_id, close_ms): TriggerContents(price, settled, json.loads(values))
        for close_ms, (condition_id, price, settled, values) in zip(
            rows["close_time"].dt.epoch("ms"), rows.select(columns).iter_rows(), strict=True
        )
    }

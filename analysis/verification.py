"""Was one condition judged rightly? It is judged again on another path, and compared with what is recorded.

:mod:`analysis.audit` judges all conditions again, by the scan; here it is :mod:`analysis.valuation` alone, which has
nothing but the indicators in common with ticks and scans: no plan, and none of their compiled code.
"""

import numpy as np

from analysis.audit import Audit, Span, TriggerContents, TriggerKey, compare, contents_of, recorded_in
from analysis.valuation import Valuation
from candles.calendars import stored_calendars
from candles.epochs import Epochs
from common.errors import StoreError
from registry.activity import is_active
from registry.conditions import Condition
from registry.store.parts.registry import read_condition
from registry.store.protocol import Store

_AT_A_TIME = 100_000
"""Recorded triggers that are read at a time."""


def verify(store: Store, condition_id: str, *, since_ms: int | None = None, until_ms: int | None = None) -> Audit:
    """Judge a registered condition again on candles that close after ``since_ms`` and up to ``until_ms``, by default on
    all on which it was judged, from the candles as they were then.

    Raises :class:`common.errors.StoreError` for a condition that is not registered, and
    :class:`common.errors.ConditionError` for one that cannot be read any more.
    """
    stored = store.registry.condition(condition_id)
    if stored is None:
        raise StoreError(f"condition {condition_id} is not registered; hub conditions list shows those that are")
    condition = read_condition(stored)
    watermark_ms = store.ticks.watermarks(condition.timeframe).get(condition.group)
    wanted = Span(since_ms, until_ms)
    expected: dict[TriggerKey, TriggerContents] = {}
    if watermark_ms is not None:
        # What is recorded while this goes on is of later candles.
        wanted = wanted.within(None, watermark_ms)
        expected = _expected(store, condition, wanted, watermark_ms)
    recorded = _recorded(store, condition_id, wanted)
    return Audit(
        conditions=1,
        groups=0 if watermark_ms is None else 1,
        triggers=len(recorded),
        differences=compare(recorded, expected),
        revised=(),
        texts={condition.id: str(condition)},
    )


def _expected(store: Store, condition: Condition, wanted: Span, watermark_ms: int) -> dict[TriggerKey, TriggerContents]:
    epochs, current = Epochs(store), stored_calendars(store)
    spans = store.registry.activity_of(condition.id)
    expected: dict[TriggerKey, TriggerContents] = {}
    for epoch in epochs.of(condition.group, watermark_ms):
        histories = epochs.histories(epoch)
        if any(history.is_empty() for history in histories.values()):
            continue
        values = Valuation(condition, histories, current.with_fixed(epoch.grids))
        within = wanted.within(epoch.after_ms, epoch.until_ms)
        rows = np.array(
            [
                row
                for row in np.flatnonzero(values.fires()).tolist()
                if within.has(int(values.closes[row])) and is_active(spans, int(values.closes[row]))
            ],
            np.int64,
        )
        keys = [(condition.id, close_ms) for close_ms in values.closes[rows].tolist()]
        contents = contents_of(values, rows, values.close[rows].tolist(), values.has_settled(rows).tolist())
        expected |= zip(keys, contents, strict=True)
    return expected


def _recorded(store: Store, condition_id: str, wanted: Span) -> dict[TriggerKey, TriggerContents]:
    recorded: dict[TriggerKey, TriggerContents] = {}
    before_seq: int | None = None
    while True:
        rows = store.triggers.of(condition_id, _AT_A_TIME, before_seq)
        recorded |= recorded_in(rows, wanted)
        if rows.height < _AT_A_TIME:
            return recorded
        before_seq = int(rows["seq"].min())  # type: ignore[arg-type]

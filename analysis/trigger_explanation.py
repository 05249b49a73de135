"""Why a recorded trigger is there: its condition on its candle, beside what was recorded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis import explain_report
from analysis.explain import explain
from analysis.standing import Standing, standing_of
from candles.epochs import Epochs
from common.errors import StoreError
from common.timeframes import iso_time, show_time
from condition_hub.explanation import CandleExplanation
from registry.store.parts.registry import read_condition
from registry.store.protocol import Store

_AT_A_TIME = 100_000


@dataclass(frozen=True)
class ExplainedTrigger:
    """A trigger as it was recorded, and what the candles say of it today."""

    trigger_id: str
    seq: int
    price: float
    values: dict[str, float | None]
    """Operands by their text."""
    settled: bool
    late: bool
    emitted_ms: int
    explanation: CandleExplanation
    standing: Standing


def explain_trigger(store: Store, trigger_id: str) -> ExplainedTrigger:
    """Explain a recorded trigger by its id, ``{condition_id}:{close_time_ms}``, from the candles as they were judged.

    Raises :class:`common.errors.StoreError` for an id that is none or of no recorded trigger, and for a trigger of a
    condition that is not registered any more.
    """
    condition_id, colon, close = trigger_id.partition(":")
    if not (colon and close.isascii() and close.isdecimal() and len(close) < 16):
        raise StoreError(
            f"{trigger_id!r} is no id of a trigger, which is a condition's id, a colon and a close time in ms; hub"
            " events tail shows triggers, hub conditions explain explains a condition on any candle"
        )
    row = _recorded(store, condition_id, int(close))
    if row is None:
        raise StoreError(
            f"no trigger {trigger_id} is recorded; why not says: hub conditions explain {condition_id} --at"
            f" {iso_time(int(close))}"
        )
    stored = store.registry.condition(condition_id)
    if stored is None:
        raise StoreError(
            f"the condition of trigger {trigger_id} is not registered under this id any more, so what its values were"
            f" computed with is gone; {store.registry.successor(condition_id)} stands for it"
        )
    condition, epochs, close_ms = read_condition(stored), Epochs(store), int(close)
    explanation = explain(
        condition, epochs.up_to(condition, close_ms), epochs.calendars(condition, close_ms), at_ms=close_ms
    )
    return ExplainedTrigger(
        trigger_id=trigger_id,
        seq=row["seq"],
        price=row["price"],
        values=json.loads(row["values"]),
        settled=row["settled"],
        late=row["late"],
        emitted_ms=row["emitted_ms"],
        explanation=explanation,
        standing=standing_of(store, condition, explanation.close_time),
    )


def as_json(explained: ExplainedTrigger) -> dict[str, Any]:
    """An explained trigger as JSON values; times in ISO 8601."""
    return {
        "trigger_id": explained.trigger_id,
        "seq": explained.seq,
        "recorded": {
            "price": explained.price,
            "values": explained.values,
            "settled": explained.settled,
            "late": explained.late,
            "emitted_at": iso_time(explained.emitted_ms),
        },
        "explanation": explain_report.as_json(explained.explanation, explained.standing),
    }


def render(explained: ExplainedTrigger) -> Iterator[str]:
    """The lines of an explained trigger: what was recorded, and the explanation of its candle."""
    late = ", late: its candles came after the close" if explained.late else ""
    yield f"trigger {explained.seq}, recorded at {show_time(explained.emitted_ms)} UTC{late}"
    yield f"  price {explained.price:.10g}{'' if explained.settled else ', indicators not settled'}"
    for name, value in explained.values.items():
        yield f"  {name}: {'not known' if value is None else f'{value:.10g}'}"
    yield ""
    yield from explain_report.render(explained.explanation, explained.standing)


def _recorded(store: Store, condition_id: str, close_ms: int) -> dict[str, Any] | None:
    before_seq: int | None = None
    closes, emitted = (pl.col(name).dt.epoch("ms") for name in ("close_time", "emitted_at"))
    while True:
        rows = store.triggers.of(condition_id, _AT_A_TIME, before_seq)
        match = rows.filter(closes == close_ms).with_columns(emitted.alias("emitted_ms"))
        if not match.is_empty():
            return match.row(0, named=True)
        if rows.height < _AT_A_TIME:
            return None
        before_seq = int(rows["seq"].min())  # type: ignore[arg-type]

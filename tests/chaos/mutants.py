"""F0: broken hubs. Each breaks one of the rules that keep triggers from being lost, repeated or wrong.

They are switched on in a process of a test, and nowhere else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import engine.program
import flows.advance
from common import failpoints
from engine.evaluate import Evaluator
from engine.part import SeriesHistory
from events.consuming.ledger import Ledger
from events.log import redis_log
from events.log.payload import entries_of
from events.log.publisher import drain
from events.log.redis_log import STREAM, RedisEventLog
from flows.part_builder import PartBuilder
from registry.store.files.tick_tables import TickTables
from registry.store.parts.ticks import TickRecord
from registry.store.protocol import Store
from tests.chaos import roles


def publisher_without_outbox() -> None:
    """Triggers are sent once, right after they are recorded: commit, then XADD."""
    sent: dict[int, int] = {}

    def send(store: Store, log: RedisEventLog, **options: object) -> int:
        first = sent.setdefault(id(store), store.triggers.last_seq())
        rows = store.triggers.after(first, 1_000)
        sent[id(store)] = first + rows.height
        for seq, _, payload in entries_of(rows):
            log.client.xadd(STREAM, {"event": payload}, id=f"{seq}-0")
        return rows.height

    _replace(flows.advance, "drain", send)
    _replace(roles, "drain", send)


def publisher_without_contiguity() -> None:
    """The server accepts a batch wherever its log ends; only the increasing ids prevent duplicates."""
    redis_log._APPEND = redis_log._APPEND.replace("if ARGV[2] ~= last then return {0, tonumber(last)} end", "")


def cursor_before_triggers() -> None:
    """The watermarks are on disk before the triggers are."""
    whole = TickTables.record_tick

    def record_tick(self: TickTables, record: TickRecord) -> range:
        answer = whole(self, replace(record, triggers=record.triggers.clear()))
        with self._database.transaction() as transaction:
            rows = self._triggers.numbered(record.triggers, roles.NOW)
            transaction.append("registry.condition_triggers", rows)
        self._triggers.note_recorded(rows)
        return range(answer.start, answer.start + rows.height)

    _replace(TickTables, "record_tick", record_tick)


def less_or_equal_for_less() -> None:
    """``<`` holds for equal values too."""
    right = engine.program._leaf_key

    def leaf_key(*arguments: Any) -> tuple[int, int, int, float]:
        code, left, other, constant = right(*arguments)
        return 1 if code == 0 else code, left, other, constant

    _replace(engine.program, "_leaf_key", leaf_key)


def previous_over_a_gap() -> None:
    """The step before a candle is the previous existing candle, however long ago."""
    right = Evaluator.step

    def step(self: Evaluator, timeframe: str, candles: Any, present: Any, stepping: Any) -> None:
        right(self, timeframe, candles, present, stepping & present)

    _replace(Evaluator, "step", step)


def no_seq_floor() -> None:
    """A store that is behind its log goes on numbering from where it is."""

    def drain_what_is_newer(store: Store, log: RedisEventLog, **options: object) -> int:
        return drain(store, log) if log.last_seq() <= store.triggers.last_seq() else 0

    _replace(flows.advance, "drain", drain_what_is_newer)
    _replace(roles, "drain", drain_what_is_newer)
    _replace(roles, "reconcile", lambda *_: 0)


def short_look_back() -> None:
    """A cold process starts its indicators two periods ago instead of at the anchor, and reads no checkpoint."""

    def histories(
        self: PartBuilder, pasts: Mapping[int, object], plan: Any, anchors: Sequence[int], ends: Sequence[int]
    ) -> dict[int, SeriesHistory]:
        short = {}
        for position in pasts:
            series = plan.series[position]
            slots = self.reader.calendar(series).slots
            last = slots.last_closed(ends[position])
            candles = self.reader.between(series, max(anchors[position], slots.open(last - 27)), slots.close(last))
            short[position] = SeriesHistory(anchors[position], candles)
        return short

    _replace(PartBuilder, "_since", histories)


def mark_then_act() -> None:
    """A consumer notes an effect as done before it does it."""

    def perform(self: Ledger, effect_id: str, act: Any, *, confirm: Any) -> Any:
        with self.once(effect_id) as effect:
            is_fresh = effect is not None
        failpoints.reach("before_mark")
        return act(effect_id) if is_fresh else None

    _replace(Ledger, "perform", perform)


_ALL: Sequence[Callable[[], None]] = (
    publisher_without_outbox,
    publisher_without_contiguity,
    cursor_before_triggers,
    less_or_equal_for_less,
    previous_over_a_gap,
    no_seq_floor,
    short_look_back,
    mark_then_act,
)
MUTANTS = {mutant.__name__: mutant for mutant in _ALL}


def switch_on(name: str | None) -> None:
    """Break this process in one way, for good."""
    if name is not None:
        MUTANTS[name]()


def _replace(owner: object, name: str, broken: object) -> None:
    """Replace an existing attribute with something broken."""
    assert hasattr(owner, name), f"{owner} has no {name}"
    setattr(owner, name, broken)

"""The invariants, checked on what is left once everything has come to rest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from events.log.payload import Entry
from events.log.redis_log import EventLog
from registry.groups import Group
from registry.store.files.file_store import FileStore
from registry.store.protocol import Store
from tests.chaos import scene
from tests.chaos.exchange import Exchange
from tests.chaos.scene import Trigger


class Broken(AssertionError):
    """An invariant is violated. The message begins with its name."""


@dataclass(frozen=True)
class Rest:
    """What store and stream hold in the end."""

    triggers: pl.DataFrame
    ticks: pl.DataFrame
    watermarks: dict[Group, int]
    gaps: list[tuple[int, int]]
    """Numbers that, according to the store, no trigger has because a log had already used them."""
    events: list[Entry]
    last_event: int

    @classmethod
    def of(cls, store: Path, log: EventLog) -> "Rest":
        """Read both; the store is in files that nobody has open."""
        with FileStore(store, read_only=True) as opened:
            return cls.read(opened, log)

    @classmethod
    def read(cls, store: Store, log: EventLog) -> "Rest":
        """Read both."""
        return cls(
            store.triggers.after(0, 1_000_000),
            store.ticks.ticks(),
            store.ticks.watermarks("5m"),
            store.triggers.floor_gaps(),
            log.read(0, 1_000_000),
            log.last_seq(),
        )

    def check(self, ticks: int, *, also: Sequence[Trigger] = (), restored: bool = False, apart: bool = False) -> None:
        """Check all that has to hold for record and stream after a number of ticks.

        ``also`` had to fire as well. ``restored``: an older backup was restored, so triggers that had to be numbered
        again come later. ``apart``: series did not advance together, so only each condition's own order is certain.
        """
        self.check_triggers([*scene.expected(ticks), *also])
        self.check_ticks(ticks)
        self.check_seq()
        if not restored:
            parts = self.triggers.partition_by("condition_id") if apart else [self.triggers]
            unordered = [part for part in parts if not part["close_time"].is_sorted()]
            _require("I3", "triggers are not in the order of their candles", not unordered)
        self.check_stream(self.events[0].seq if restored and self.events else 1)

    def recorded(self) -> list[Trigger]:
        """The recorded triggers, in order."""
        return list(map(Trigger, self.triggers["condition_id"], self.triggers["close_time"].dt.epoch("ms")))

    def check_triggers(self, expected: list[Trigger]) -> None:
        """I1 and I2: everything that had to fire is recorded, once, and nothing else."""
        recorded, wanted = Counter(self.recorded()), Counter(expected)
        _require("I1", "nothing had to fire, so nothing was checked", bool(wanted))
        difference = f"missing {_some(wanted - recorded)}, not wanted {_some(recorded - wanted)}"
        _require("I1", difference, recorded == wanted)
        _require("I2", "a trigger's id is there twice", self.triggers["trigger_id"].n_unique() == self.triggers.height)

    def check_seq(self) -> None:
        """I3: the numbers have no gap that the store does not state."""
        used = self.triggers["seq"].to_list()
        unused = [seq for first, last in self.gaps for seq in range(first, last + 1)]
        _require("I3", "seq has a gap", sorted(used + unused) == list(range(1, len(used) + len(unused) + 1)))

    def check_stream(self, first_seq: int) -> None:
        """I3 and I7: from a number on, the stream equals the record, and nothing is left to be published."""
        newest = max([0, *self.triggers["seq"].to_list(), *(last for _, last in self.gaps)])
        _require("I7", f"the stream ends at {self.last_event}, the record at {newest}", self.last_event == newest)
        streamed = [(entry.seq, entry.event.trigger_id) for entry in self.events]
        recorded = list(self.triggers.filter(pl.col("seq") >= first_seq).select("seq", "trigger_id").iter_rows())
        lacking = sorted(set(recorded) - set(streamed))
        _require("I3", f"the stream lacks {lacking[:3]} ({len(lacking)})", streamed == recorded)

    def check_ticks(self, ticks: int) -> None:
        """I5: every group has been judged on every candle once, including the missing one."""
        wanted = {group: scene.close_of(ticks) for group in self.watermarks}
        has_all = self.watermarks == wanted and len(wanted) >= len(scene.SYMBOLS)
        _require("I5", f"watermarks are {self.watermarks}", has_all)
        moved = int(self.ticks["groups"].sum())
        _require("I5", f"{moved} groups moved", moved == ticks * len(self.watermarks))


def check_effects(path: Path, expected: Sequence[Trigger]) -> int:
    """I4: each bot acted once, in order, on each trigger of its conditions; returns how many effects there were."""
    total = 0
    with Exchange(path) as exchange:
        for bot in scene.BOTS:
            wanted = scene.conditions_of(bot)
            due = [trigger for trigger in expected if trigger.condition_id in wanted]
            done = [Trigger(condition_id, close_ms) for condition_id, close_ms in exchange.orders_of(bot)]
            missing, extra = Counter(due) - Counter(done), Counter(done) - Counter(due)
            _require("I4", f"{bot} had nothing to act on, so nothing was checked", bool(due))
            difference = f"{bot} missed {_some(missing)} and acted in vain or twice on {_some(extra)}"
            _require("I4", difference, not missing and not extra)
            _require("I4", f"{bot} acted out of order", _is_in_order(done))
            total += len(done)
    return total


def _is_in_order(done: Sequence[Trigger]) -> bool:
    """Whether each condition's triggers came in the order of their candles."""
    newest: dict[str, int] = {}
    for trigger in done:
        if trigger.close_ms <= newest.get(trigger.condition_id, 0):
            return False
        newest[trigger.condition_id] = trigger.close_ms
    return True


def _require(invariant: str, otherwise: str, holds: bool) -> None:
    if not holds:
        raise Broken(f"{invariant}: {otherwise}")


def _some(triggers: Counter[Trigger]) -> str:
    shown = [f"{trigger.condition_id[:8]} at tick {scene.tick_of(trigger.close_ms)}" for trigger in triggers]
    return f"{triggers.total()} ({', '.join(shown[:3])})"

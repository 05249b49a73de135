"""The invariants, on what is left when everything has come to rest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from events.log.payload import Entry
from events.log.redis_log import EventLog
from registry.store.files.file_store import FileStore
from tests.chaos import scene
from tests.chaos.exchange import Exchange
from tests.chaos.scene import Trigger


class Broken(AssertionError):
    """An invariant does not hold. Its message begins with the invariant's name."""


@dataclass(frozen=True)
class Rest:
    """What store and stream hold."""

    triggers: pl.DataFrame
    ticks: pl.DataFrame
    watermarks: dict[str, int]
    gaps: list[tuple[int, int]]
    """Numbers that the store says no trigger has, as a log had used them already."""
    events: list[Entry]
    last_event: int

    @classmethod
    def of(cls, store: Path, log: EventLog) -> "Rest":
        """Look at both."""
        with FileStore(store, read_only=True) as opened:
            return cls(
                opened.triggers.after(0, 1_000_000),
                opened.ticks.ticks(),
                opened.ticks.watermarks("5m"),
                opened.triggers.floor_gaps(),
                log.read(0, 1_000_000),
                log.last_seq(),
            )

    def check(self, ticks: int, *, also: Sequence[Trigger] = (), restored: bool = False, apart: bool = False) -> None:
        """All that has to hold of the record and of the stream after so many ticks.

        ``also`` had to fire besides. ``restored``: an older backup was, so what had to be numbered again comes later.
        ``apart``: series did not move together, so that each condition's own order is all there is.
        """
        self.check_triggers([*scene.expected(ticks), *also])
        self.check_ticks(ticks)
        self.check_seq()
        if not restored:
            parts = self.triggers.partition_by("condition_id") if apart else [self.triggers]
            in_order = all(part["close_time"].is_sorted() for part in parts)
            _hold("I3", "triggers are not in the order of their candles", in_order)
        self.check_stream(self.events[0].seq if restored and self.events else 1)

    def found(self) -> list[Trigger]:
        """The recorded triggers, in order."""
        return list(map(Trigger, self.triggers["condition_id"], self.triggers["close_time"].dt.epoch("ms")))

    def check_triggers(self, expected: list[Trigger]) -> None:
        """I1 and I2: what had to fire is recorded, nothing else is, and each once."""
        found = Counter(self.found())
        wanted = Counter(expected)
        _hold("I1", f"missing {_some(wanted - found)}, not wanted {_some(found - wanted)}", found == wanted)
        _hold("I2", "a trigger's id is there twice", self.triggers["trigger_id"].n_unique() == self.triggers.height)

    def check_seq(self) -> None:
        """I3: numbers without a gap that is not stated."""
        used = self.triggers["seq"].to_list()
        unused = [seq for first, last in self.gaps for seq in range(first, last + 1)]
        _hold("I3", "seq has a gap", sorted(used + unused) == list(range(1, len(used) + len(unused) + 1)))

    def check_stream(self, first_seq: int) -> None:
        """I3 and I7: the stream is the record from a number on, and nothing waits to be published."""
        newest = max(self.triggers["seq"].max() or 0, *(last for _, last in self.gaps), 0)  # type: ignore[type-var]
        _hold("I7", f"the stream ends at {self.last_event}, the record at {newest}", self.last_event == newest)
        streamed = [(held.seq, held.event.trigger_id) for held in self.events]
        recorded = list(self.triggers.filter(pl.col("seq") >= first_seq).select("seq", "trigger_id").iter_rows())
        lacking = sorted(set(recorded) - set(streamed))
        _hold("I3", f"the stream lacks {lacking[:3]} ({len(lacking)})", streamed == recorded)

    def check_ticks(self, ticks: int) -> None:
        """I5: every group has been judged on every candle once, the hole among them."""
        wanted = {group: scene.close_of(ticks) for group in self.watermarks}
        _hold(
            "I5", f"watermarks are {self.watermarks}", self.watermarks == wanted and len(wanted) >= len(scene.SYMBOLS)
        )
        moved = int(self.ticks["groups"].sum())
        _hold("I5", f"{moved} groups moved", moved == ticks * len(self.watermarks))


def check_effects(path: Path, expected: Sequence[Trigger]) -> int:
    """I4: each bot has acted on what its conditions fired, once, in order; how many effects there were."""
    total = 0
    with Exchange(path) as exchange:
        for bot in scene.BOTS:
            wanted = scene.conditions_of(bot)
            due = [held for held in expected if held.condition_id in wanted]
            done = [Trigger(condition_id, close_ms) for condition_id, close_ms in exchange.orders_of(bot)]
            missing, extra = Counter(due) - Counter(done), Counter(done) - Counter(due)
            said = f"{bot} missed {_some(missing)} and acted in vain or twice on {_some(extra)}"
            _hold("I4", said, not missing and not extra)
            _hold("I4", f"{bot} acted out of order", _is_in_order(done))
            total += len(done)
    return total


def _is_in_order(done: Sequence[Trigger]) -> bool:
    """Whether each condition's triggers came in the order of their candles."""
    newest: dict[str, int] = {}
    for held in done:
        if held.close_ms <= newest.get(held.condition_id, 0):
            return False
        newest[held.condition_id] = held.close_ms
    return True


def _hold(invariant: str, otherwise: str, holds: bool) -> None:
    if not holds:
        raise Broken(f"{invariant}: {otherwise}")


def _some(triggers: Counter[Trigger]) -> str:
    shown = [
        f"{held.condition_id[:8]} at tick {(held.close_ms - scene.START_MS) // scene.STEP_MS}" for held in triggers
    ]
    return f"{triggers.total()} ({', '.join(shown[:3])})"

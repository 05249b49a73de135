"""The seam to whatever keeps the hub's data. Every operation is one transaction and safe to repeat."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, Self

import polars as pl

from registry.conditions import Condition
from registry.instruments import Instrument
from registry.store.records import (
    GRACE_MS,
    ActiveSpan,
    Anchor,
    Calendar,
    Rebase,
    Registration,
    RunRecord,
    StoredCondition,
    SubscriptionRequest,
    TickRecord,
    UnitCosts,
    UpsertCounts,
)


class CandleStore(Protocol):
    """Candles, instruments, revisions and the quarantine.

    Candle frames have the columns ``exchange symbol timeframe open_time open high low close volume``; ``open_time`` is
    ``Datetime('ms', 'UTC')``.
    """

    def upsert(self, candles: pl.DataFrame) -> UpsertCounts:
        """Add closed candles, unique by series and open time. Judged ones are never rewritten: see ``revised``.

        An optional column ``filled`` marks candles that stand for slots without trades; they never replace real ones.
        """
        ...

    def quarantine(self, rows: pl.DataFrame) -> int:
        """Keep rejected rows with their reasons; the number that was not there before."""
        ...

    def quarantined(self) -> pl.DataFrame:
        """All rejected rows."""
        ...

    def instruments(self) -> list[Instrument]:
        """All instruments that have or had candles."""
        ...

    def series(self) -> pl.DataFrame:
        """One row a series: ``series exchange symbol timeframe first_open_time last_open_time candles filled
        revisions``."""
        ...

    def at(self, timeframe: str, open_time_ms: int) -> pl.DataFrame:
        """The candles of one slot: ``series open high low close volume``."""
        ...

    def between(self, series: str, start_ms: int, stop_ms: int) -> pl.DataFrame:
        """Candles of one series with ``start <= open_time < stop``, oldest first, as a candle frame."""
        ...

    def within(self, series: Sequence[str], start_ms: int, stop_ms: int) -> pl.DataFrame:
        """Candles of several series of one timeframe with ``start <= open_time < stop``: ``series open_time open high
        low close volume``, by series in the order of their names, then oldest first."""
        ...

    def last(self, series: str, stop_ms: int, count: int) -> pl.DataFrame:
        """The last ``count`` candles of one series with ``open_time < stop``, oldest first, as a candle frame."""
        ...

    def first_open_from(self, series: str, time_ms: int) -> int | None:
        """Open time of the first candle of a series that opens at or after a time, ``None`` without one."""
        ...

    def set_calendar(self, instrument: Instrument, calendar: Calendar) -> None:
        """Say when an instrument trades; raises :class:`registry.errors.InstrumentError` for an unknown one."""
        ...

    def calendars(self) -> dict[str, Calendar]:
        """Instrument (``BINANCE:BTCUSDT``) -> its calendar."""
        ...

    def extent(self, timeframe: str) -> dict[str, tuple[int, int]]:
        """Series -> open times of its first and last candle."""
        ...

    def revisions(self, series: str | None = None) -> pl.DataFrame:
        """Versions of candles that came after they had been judged, by series and open time, oldest version first.

        ``series open_time created_at pending``, the candle as it is judged now (``judged_open`` … ``judged_volume``,
        null for a slot without one) and the version (``open high low close volume``). ``pending`` is the newest version
        of its slot where it differs from the judged candle: what a rebase takes.
        """
        ...

    def superseded(self, series: str) -> pl.DataFrame:
        """What candles of a series were before rebases: ``rebase open_time open high low close volume``, oldest rebase
        first; null values where there was no candle."""
        ...

    def names(self) -> set[str]:
        """The series that have candles."""
        ...

    def version(self, series: Collection[str]) -> int:
        """Grows with every change of candles of these series, and starts anew when the owner of the files does."""
        ...


class RegistryStore(Protocol):
    """Conditions and subscriptions."""

    def register(
        self, conditions: Sequence[Condition], *, active_from_ms: int, grace_ms: int = GRACE_MS
    ) -> list[Registration]:
        """Add conditions whose instruments are known. Raises :class:`registry.errors.InstrumentError`.

        New or known, each is judged for the grace time, and longer when somebody subscribes to it.
        """
        ...

    def subscribe(self, requests: Sequence[SubscriptionRequest], *, active_from_ms: int) -> int:
        """Add or renew subscriptions; how many of them changed anything. Their conditions are judged on, or again."""
        ...

    def unsubscribe(
        self, user_id: str, bot_id: str, condition_id: str, *, at_ms: int, grace_ms: int = GRACE_MS
    ) -> bool:
        """End a subscription; whether there was one. Without any other the condition is judged for the grace time."""
        ...

    def conditions(self, timeframe: str | None = None) -> list[StoredCondition]:
        """Registered conditions, oldest first."""
        ...

    def activity(self) -> Mapping[str, tuple[ActiveSpan, ...]]:
        """Condition id -> when it is judged, oldest first; :mod:`flows.activity` reads it."""
        ...

    def subscribers(self) -> Mapping[str, int]:
        """Condition id -> number of active subscriptions; conditions without one are absent."""
        ...

    def totals(self) -> dict[str, int]:
        """``conditions subscriptions users bots``, active ones."""
        ...

    def version(self) -> int:
        """Grows with every change of conditions or subscriptions."""
        ...


class TickStore(Protocol):
    """Watermarks, triggers, and what ticks cost."""

    def watermarks(self, timeframe: str) -> dict[str, int]:
        """Group -> close time up to which it has been judged."""
        ...

    def anchors(self) -> dict[str, int]:
        """Series -> open time of the first candle it was judged from."""
        ...

    def built_from(self) -> dict[str, str]:
        """Those of them that have been judged as built -> the timeframe that they are built from."""
        ...

    def record_tick(self, record: TickRecord) -> range:
        """Record a tick; the ``seq`` of its triggers. Raises :class:`registry.errors.StaleTick` and writes nothing
        unless every stored watermark is where the tick started."""
        ...

    def anchor_history(self) -> list[Anchor]:
        """All anchors that were ever set, oldest first."""
        ...

    def last_rebase(self) -> int:
        """The number of the last rebase, 0 before the first."""
        ...

    def rebase_watermarks(self) -> dict[int, dict[str, int]]:
        """Rebase -> group that read a rebased series -> close time up to which it had been judged before."""
        ...

    def record_run(self, record: RunRecord) -> None:
        """Record what a flow run cost beyond its ticks."""
        ...

    def record_unit_costs(self, costs: UnitCosts) -> None:
        """Record measured costs of isolated evaluations."""
        ...

    def last_seq(self) -> int:
        """``seq`` of the newest trigger, 0 without one."""
        ...

    def triggers_after(self, seq: int, limit: int) -> pl.DataFrame:
        """Triggers with a higher ``seq``, in order, all columns."""
        ...

    def triggers_of(self, condition_id: str, limit: int) -> pl.DataFrame:
        """The newest triggers of one condition, newest first."""
        ...

    def trigger_counts(self) -> pl.DataFrame:
        """``condition_id triggers last_close_time`` of every condition that ever fired."""
        ...

    def ticks(self) -> pl.DataFrame:
        """All tick rows, oldest first."""
        ...

    def runs(self) -> pl.DataFrame:
        """All run rows, oldest first."""
        ...

    def unit_costs(self) -> UnitCosts | None:
        """The newest measured costs, ``None`` before the first calibration."""
        ...


class CacheStore(Protocol):
    """Checkpoints of indicators; losing them costs a cold process time, and nothing else."""

    def save(self, owner: str, rows: pl.DataFrame) -> None:
        """Keep ``series indicator anchor_ms rebase open_ms candles state`` as one checkpoint of an owner.

        An owner's last two of a series stay.

        Rows of one series have the same ``open_ms``; the series' own row has an empty ``indicator``.
        """
        ...

    def of(self, series: Sequence[str]) -> pl.DataFrame:
        """All rows of these series, whoever saved them, with the columns of :meth:`save`."""
        ...


class Store(Protocol):
    """Everything that the hub keeps."""

    @property
    def cache(self) -> CacheStore: ...

    @property
    def candles(self) -> CandleStore: ...

    @property
    def registry(self) -> RegistryStore: ...

    @property
    def ticks(self) -> TickStore: ...

    def rebase(self, rebase: Rebase) -> int:
        """Judge series from their corrected candles from now on; how many candles changed. Triggers stay.

        What candles were is kept (``candles.superseded``), and so are the anchors until now.
        """
        ...

    def close(self) -> None:
        """Give the files free."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

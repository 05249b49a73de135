"""Watermarks, anchors, and the cost of ticks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import uuid4

import polars as pl

from common.grids import UTC_GRID, Grid
from common.zones import ZONES_VERSION
from registry.groups import Group, Series


@dataclass(frozen=True)
class WatermarkMove:
    """One group's watermark from one close time to the next; ``from_ms`` is ``None`` before its first tick."""

    group: Group
    from_ms: int | None
    to_ms: int


@dataclass(frozen=True)
class Anchor:
    """The first candle that a series is judged from, and what the series is built from. The newest anchor counts."""

    series: Series
    open_ms: int
    built_from: str | None
    """The timeframe whose candles it is built from; ``None`` for its own candles."""
    rebase: int
    """The rebase that set it; 0 if the series' first tick did."""
    created_ms: int | None
    """When it was set; ``None`` if it comes from an older schema."""
    grid: Grid = UTC_GRID
    """Where its slots begin, fixed with the anchor."""

    @property
    def stored(self) -> Series:
        """The stored series whose candles it consists of."""
        return self.series if self.built_from is None else self.series.at(self.built_from)


@dataclass(frozen=True)
class Rebase:
    """A request to judge series from corrected candles.

    The newest revisions of ``stored`` become its candles, and all series built from it get new anchors.
    """

    series: Series
    """The requested series."""
    stored: Series
    anchors: Mapping[Series, int]
    built_from: Mapping[Series, str]
    """The series of ``anchors`` that are built -> the timeframe they are built from."""
    grids: Mapping[Series, Grid] = field(default_factory=dict)
    """Where the slots of the series of ``anchors`` begin from then on; on UTC's grid if a series is left out."""


@dataclass(frozen=True)
class TickMetrics:
    """What a tick did, and what isolated bots would have done for the same verdicts; columns of table ``ticks``.

    ``isolated_*``: one bot per subscription, nothing shared. ``equal_sharing_*``: equal conditions are judged once, but
    each loads its candles and computes its indicators by itself. The others count the work that was really done.
    """

    subscriptions: int
    conditions: int
    indicators: int
    series: int
    isolated_indicators: int
    isolated_loads: int
    equal_sharing_indicators: int
    equal_sharing_loads: int
    load_us: int
    indicators_us: int
    judge_us: int


@dataclass(frozen=True)
class TickRecord:
    """Everything that one tick writes, in one transaction or not at all.

    ``triggers`` has the columns of table ``condition_triggers`` without ``seq`` and ``emitted_at``; its times are zoned
    UTC. ``holes`` are the slots (stored series, open time) judged as missing; ``anchors`` has the first judged open
    time of each new series; ``built_from`` names, for those that are built, the timeframe they are built from, and
    ``grids``, for those that are not on UTC's grid, where their slots begin. ``rebase`` is the last rebase that the
    tick knew: a tick from before a rebase is refused. ``registry_version`` is the version of the judged conditions: the
    tick is refused if others of its groups became active on its candle in the meantime. ``candles_read`` is the last
    change to candles before the tick read any (:meth:`registry.store.parts.candles.CandleStore.last_change`): the tick
    is refused if candles of its series up to its slot changed after it, as they would stand beside verdicts that do not
    follow from them; ``None`` where nobody writes candles meanwhile. ``token`` names this attempt:
    if the answer is lost and the record sent again, it gets the same answer. ``zones_version`` is the release of the
    time zone rules by which windows were judged.
    """

    timeframe: str
    close_time_ms: int
    late: bool
    moves: tuple[WatermarkMove, ...]
    triggers: pl.DataFrame
    holes: tuple[tuple[Series, int], ...]
    anchors: Mapping[Series, int]
    metrics: TickMetrics
    built_from: Mapping[Series, str] = field(default_factory=dict)
    grids: Mapping[Series, Grid] = field(default_factory=dict)
    rebase: int = 0
    registry_version: int | None = None
    candles_read: int | None = None
    token: str = field(default_factory=lambda: uuid4().hex)
    zones_version: str = ZONES_VERSION


@dataclass(frozen=True)
class PlanSize:
    """What the plan of a timeframe, or of a shard of it, consists of: each thing once."""

    conditions: int
    indicators: int
    """Unique in name, parameters, source and series."""
    series: int


@dataclass(frozen=True)
class RunRecord:
    """One flow run that advanced at least one tick."""

    run_id: str
    timeframe: str
    tick_ms: int
    ticks: int
    triggers: int
    prepare_us: int
    record_us: int
    publish_us: int
    plan: PlanSize | None = None
    """What it judged; ``None`` for a run that has only a part of its timeframe."""


TotalsBy = Literal["timeframe", "hour", "day", "candle_day"]
"""What totals are told apart by, besides the timeframe: the hour or day in which the work was done, or the day on which
the candles closed."""


@dataclass(frozen=True)
class UnitCosts:
    """Mean microseconds of the parts of an isolated evaluation, measured on ``sample`` real ones."""

    sample: int
    load_us: float
    indicator_us: float
    check_us: float


class TickStore(Protocol):
    """Watermarks, anchors, and the cost of ticks."""

    def watermarks(self, timeframe: str) -> dict[Group, int]:
        """Group -> close time up to which it has been judged."""
        ...

    def watermark(self, group: Group) -> int | None:
        """Close time up to which one group has been judged, ``None`` before its first tick."""
        ...

    def newest_watermark(self) -> int | None:
        """Close time up to which the group has been judged that has come furthest; ``None`` before the first tick."""
        ...

    def anchors(self) -> dict[Series, int]:
        """Series -> open time of the first candle it was judged from."""
        ...

    def built_from(self) -> dict[Series, str]:
        """The anchored series that are built from another timeframe -> that timeframe."""
        ...

    def grids(self) -> dict[Series, Grid]:
        """The anchored series that are not on UTC's grid -> their grid, fixed with the anchor."""
        ...

    def record_tick(self, record: TickRecord) -> range:
        """Record a tick. Returns the ``seq`` of its triggers, without those that were adopted before.

        Raises :class:`common.errors.StaleTick` and writes nothing unless every stored watermark is where the tick
        started. The same record again (with the same ``token``) gets the same answer.
        """
        ...

    def anchor_history(self) -> list[Anchor]:
        """All anchors ever set, oldest first."""
        ...

    def last_rebase(self) -> int:
        """The number of the last rebase, 0 before the first."""
        ...

    def rebase_watermarks(self) -> dict[int, dict[Group, int]]:
        """Rebase -> each group that read a rebased series -> close time up to which it had been judged before."""
        ...

    def record_run(self, record: RunRecord) -> None:
        """Record the cost of a flow run beyond that of its ticks."""
        ...

    def record_unit_costs(self, costs: UnitCosts) -> None:
        """Record measured costs of isolated evaluations."""
        ...

    def ticks(self, after_id: int = 0, limit: int | None = None) -> pl.DataFrame:
        """Tick rows with a higher ``tick_id``, oldest first."""
        ...

    def newest_ticks(
        self,
        limit: int,
        *,
        before_id: int | None = None,
        timeframe: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> pl.DataFrame:
        """The newest tick rows, newest first: of all timeframes or of one, with a lower ``tick_id``, judged from one
        time on and before another."""
        ...

    def totals(
        self, by: TotalsBy = "timeframe", *, since_ms: int | None = None, until_ms: int | None = None
    ) -> pl.DataFrame:
        """Sums over ticks and runs, a row for each timeframe and, unless ``by`` is that, each hour or day; oldest
        first.

        Columns: ``start`` (UTC, null by timeframe), ``timeframe``, ``ticks``, how many of them were ``late``, the sums
        of the other numbers of their rows, ``runs``, and the sums of ``prepare_us record_us publish_us``. With bounds
        only what was judged in hours that begin from ``since_ms``, rounded down to an hour, and before ``until_ms``.
        """
        ...

    def plan_sizes(self) -> dict[str, PlanSize]:
        """Timeframe -> what its newest run judged, for the timeframes of which that is known."""
        ...

    def registry_sizes(self, *, since_ms: int | None = None, until_ms: int | None = None) -> pl.DataFrame:
        """What was registered and wanted at the first tick of each hour, oldest first: ``noted_at conditions subscribed
        subscriptions users bots``, as :meth:`registry.store.parts.registry.RegistryStore.totals` counts them."""
        ...

    def runs(
        self, limit: int | None = None, *, timeframe: str | None = None, since_ms: int | None = None
    ) -> pl.DataFrame:
        """The newest run rows, by default all of them, oldest first: of all timeframes or of one, finished from a time
        on."""
        ...

    def unit_costs(self) -> UnitCosts | None:
        """The newest measured costs, ``None`` before the first calibration."""
        ...

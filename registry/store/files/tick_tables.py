"""Ticks, their watermarks, anchors, holes and costs in ``registry.duckdb``."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache

import polars as pl
from cachetools import LRUCache

from common import failpoints
from common.clock import Clock
from common.errors import StaleTick
from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from common.timeframes import show_time
from registry.groups import Group, Series
from registry.store.files.candle_changes import CandleChanges
from registry.store.files.candle_tables import JudgedSpan
from registry.store.files.running_totals import RUNS, TICKS, RunningTotals
from registry.store.files.tick_figures import SIZES, add_up
from registry.store.files.trigger_tables import TriggerTables
from registry.store.files.watermarks import Watermarks
from registry.store.parts.ticks import Anchor, PlanSize, Rebase, RunRecord, TickRecord, TotalsBy, UnitCosts
from registry.store.sql import Database, Transaction, last_rows, naive_time, newest_rows

_HOUR_MS = 3_600_000
_TICK = (
    "tick_id, timeframe, close_time, late, groups, holes, triggers, subscriptions, conditions, indicators, series, "
    "isolated_indicators, isolated_loads, equal_sharing_indicators, equal_sharing_loads, load_us, indicators_us, "
    "judge_us, judged_at, zones_version"
)
_RUN = (
    "run_id, timeframe, tick, ticks, triggers, prepare_us, record_us, publish_us, finished_at, plan_conditions, "
    "plan_indicators, plan_series"
)
_ANSWERS_KEPT = 1_000
"""Ticks whose answers are known if they are sent again."""


class TickTables:
    """Implements :class:`registry.store.parts.ticks.TickStore`. The owner keeps anchors and answers in memory."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        watermarks: Watermarks,
        triggers: TriggerTables,
        begun_after: Callable[[int], list[tuple[Group, int]] | None],
        registered: Callable[[], Mapping[str, int]],
        candle_changes: CandleChanges,
    ) -> None:
        """``begun_after`` returns the groups and times of conditions that became active after a registry version,
        ``None`` if that is not known; ``registered`` counts what is registered and wanted."""
        self._database = database
        self._clock = clock
        self._watermarks = watermarks
        self._triggers = triggers
        self._begun_after = begun_after
        self._registered = registered
        self._candle_changes = candle_changes
        self._anchors: dict[Series, int] = {}
        self._built_from: dict[Series, str] = {}
        self._grids: dict[Series, Grid] = {}
        for anchor in self.anchor_history():
            self._set_anchor(anchor.series, anchor.open_ms, anchor.built_from, anchor.grid)
        self._before_rebases = self._judged_before_rebases()
        self._last_rebase = database.newest("rebase", "registry.series_anchors")
        self._last_tick_id = database.newest("tick_id", "registry.ticks")
        self._answers: LRUCache[str, range] = LRUCache(_ANSWERS_KEPT)
        self._answers.update(self._recent_answers())
        self._tick_totals, self._run_totals = RunningTotals(database, TICKS), RunningTotals(database, RUNS)
        self._last_run = database.newest("number", "registry.tick_runs")
        self._plan_sizes = _load_plan_sizes(database)
        self._noted_hour = database.newest("epoch_ms(noted_at)", "registry.registry_sizes") // _HOUR_MS

    def follow(self, ticks: int, runs: int, anchors: int, totals_changed: bool) -> None:
        """Take up what others committed: so many rows more of each table, and perhaps written totals."""
        if anchors:
            for anchor in self.anchor_history(anchors):
                self._set_anchor(anchor.series, anchor.open_ms, anchor.built_from, anchor.grid)
                self._last_rebase = max(self._last_rebase, anchor.rebase)
            self._before_rebases = self._judged_before_rebases() if self._last_rebase else []
        if totals_changed:
            self._tick_totals.load()
            self._run_totals.load()
        elif ticks or runs:
            self._tick_totals.follow(ticks)
            self._run_totals.follow(runs)
        if ticks:
            self._last_tick_id = self._database.newest("tick_id", "registry.ticks")
            self._answers.update(self._recent_answers(ticks))
            self._noted_hour = self._database.newest("epoch_ms(noted_at)", "registry.registry_sizes") // _HOUR_MS
        if runs:
            self._last_run = self._database.newest("number", "registry.tick_runs")
            self._plan_sizes |= _load_plan_sizes(self._database)

    def watermarks(self, timeframe: str) -> dict[Group, int]:
        return self._watermarks.of_timeframe(timeframe)

    def watermark(self, group: Group) -> int | None:
        return self._watermarks.of(group)

    def newest_watermark(self) -> int | None:
        return self._watermarks.newest

    def anchors(self) -> dict[Series, int]:
        return dict(self._anchors)

    def built_from(self) -> dict[Series, str]:
        return dict(self._built_from)

    def grids(self) -> dict[Series, Grid]:
        return dict(self._grids)

    def anchored_grids(self) -> dict[Series, Grid]:
        """Series with an anchor -> its grid."""
        return dict.fromkeys(self._anchors, UTC_GRID) | self._grids

    def anchor_history(self, count: int | None = None) -> list[Anchor]:
        """All anchors ever set, or the last ``count`` of them, oldest first."""
        rows = self._database.frame(
            f"""
            SELECT series, epoch_ms(anchor) AS open_ms, built_from, rebase, epoch_ms(created_at) AS created_ms,
                coalesce(grid, 'UTC') AS grid
            FROM {last_rows("registry.series_anchors", count)} AS anchors ORDER BY rebase, created_at, series
            """
        )
        return [
            Anchor(**row | {"series": Series.parse(row["series"]), "grid": Grid.parse(row["grid"])})
            for row in rows.iter_rows(named=True)
        ]

    def last_rebase(self) -> int:
        return self._last_rebase

    def rebase_watermarks(self) -> dict[int, dict[Group, int]]:
        watermarks: dict[int, dict[Group, int]] = {}
        for rebase, group, watermark in self._database.rows(
            "SELECT rebase, group_key, epoch_ms(watermark) FROM registry.rebase_watermarks"
        ):
            watermarks.setdefault(int(str(rebase)), {})[Group.parse(str(group))] = int(str(watermark))
        return watermarks

    @contextmanager
    def rebasing(self, rebase: Rebase) -> Iterator[int]:
        """Record new anchors; yields the rebase's number. Ticks and readers see the anchors once the block ends."""
        number = self._last_rebase + 1
        marks = [
            (group, watermark)
            for group, watermark in self._watermarks
            if not rebase.anchors.keys().isdisjoint(group.series)
        ]
        rows = _anchor_rows(rebase, number, self._clock.now_ms())
        with self._database.transaction() as transaction:
            transaction.append("registry.series_anchors", rows)
            # Checkpoints identify their anchor by its time, which may be the same as before.
            transaction.execute(
                "DELETE FROM registry.condition_evaluation_cache WHERE series IN (SELECT unnest(?::VARCHAR[]))",
                [list(rebase.anchors)],
            )
            transaction.append(
                "registry.rebase_watermarks",
                _times(marks, "group_key", "watermark").with_columns(pl.lit(number).alias("rebase")),
            )
        try:
            yield number
        finally:
            for series, open_ms in rebase.anchors.items():
                self._set_anchor(series, open_ms, rebase.built_from.get(series), rebase.grids.get(series, UTC_GRID))
            self._last_rebase = number
            self._before_rebases = self._judged_before_rebases()

    def judged(self) -> list[JudgedSpan]:
        """What must not be rewritten: what some group has judged, or the candles that a judged series is built from."""
        until = _judged_until(self._watermarks)
        return self._before_rebases + [
            _judged_span(
                Anchor(series, open_ms, self._built_from.get(series), 0, None, self._grids.get(series, UTC_GRID)),
                until[series],
            )
            for series, open_ms in self._anchors.items()
            if series in until
        ]

    def record_tick(self, record: TickRecord) -> range:
        # Locked until the memory knows what was committed: the next tick must see the moved watermarks.
        with self._database.alone():
            return self._record_tick(record)

    def _record_tick(self, record: TickRecord) -> range:
        now_ms = self._clock.now_ms()
        now = naive_time(now_ms)
        with self._database.transaction() as transaction:
            if (answer := self._answers.get(record.token)) is not None:
                return answer
            self._refuse_stale(record)
            anchors = self._new_anchors(record)
            tick_id = self._last_tick_id + 1
            triggers = self._triggers.numbered(record.triggers, now)
            first = self._triggers.last_seq() + 1
            answer = range(first, first + triggers.height)
            transaction.append("registry.condition_triggers", triggers)
            marks = {"judged_at": now, "token": record.token, "first_seq": answer.start, "last_seq": answer.stop - 1}
            row = _tick_row(record, tick_id)
            transaction.insert("registry.ticks", row | marks)
            is_written = self._tick_totals.write_due(transaction, now_ms, tick_id - 1)
            self._note_sizes(transaction, now_ms)
            transaction.append(
                "registry.group_watermarks",
                _times([(move.group, move.to_ms) for move in record.moves], "group_key", "watermark").with_columns(
                    pl.lit(record.timeframe).alias("timeframe"), pl.lit(tick_id).alias("tick_id")
                ),
            )
            fresh = replace(record, anchors=anchors)
            transaction.append("registry.series_anchors", _anchor_rows(fresh, 0, now_ms))
            transaction.append(
                "registry.series_holes",
                _times(record.holes, "series", "open_time").with_columns(pl.lit(tick_id).alias("tick_id")),
            )
            failpoints.reach("before_commit")
        failpoints.reach("after_commit")
        self._last_tick_id = tick_id
        self._noted_hour = now_ms // _HOUR_MS
        sums = [
            int(record.late) if name == "late" else 1 if name == "ticks" else int(str(row[name])) for name in TICKS.sums
        ]
        self._tick_totals.adopt(now_ms, record.close_time_ms, record.timeframe, sums, is_written=is_written)
        self._triggers.note_recorded(triggers)
        for series, open_ms in anchors.items():
            self._set_anchor(series, open_ms, record.built_from.get(series), record.grids.get(series, UTC_GRID))
        self._watermarks.adopt(record.timeframe, record.moves)
        self._answers[record.token] = answer
        return answer

    def _note_sizes(self, transaction: Transaction, now_ms: int) -> None:
        """With the first tick of an hour, note what is registered and wanted."""
        if now_ms // _HOUR_MS != self._noted_hour:
            registered = self._registered()
            sizes = {name: registered[name] for name in SIZES}
            transaction.insert("registry.registry_sizes", {"noted_at": naive_time(now_ms), **sizes})

    def record_run(self, record: RunRecord) -> None:
        with self._database.alone():
            self._record_run(record)

    def _record_run(self, record: RunRecord) -> None:
        now_ms, number = self._clock.now_ms(), self._last_run + 1
        row = asdict(record)
        del row["plan"]
        row["tick"] = naive_time(row.pop("tick_ms"))
        size = {f"plan_{name}": count for name, count in (asdict(record.plan) if record.plan else {}).items()}
        with self._database.transaction() as transaction:
            # A run whose answer was lost records itself again.
            known = "SELECT 1 FROM registry.tick_runs WHERE run_id = ? AND timeframe = ? AND tick = ?"
            if not transaction.frame(known, [row["run_id"], row["timeframe"], row["tick"]]).is_empty():
                return
            transaction.insert("registry.tick_runs", row | size | {"number": number, "finished_at": naive_time(now_ms)})
            is_written = self._run_totals.write_due(transaction, now_ms, number - 1)
        self._last_run = number
        sums = [1, record.prepare_us, record.record_us, record.publish_us]
        self._run_totals.adopt(now_ms, record.tick_ms, record.timeframe, sums, is_written=is_written)
        if record.plan is not None:
            self._plan_sizes[record.timeframe] = record.plan

    def record_unit_costs(self, costs: UnitCosts) -> None:
        now = naive_time(self._clock.now_ms())
        with self._database.transaction() as transaction:
            transaction.insert("registry.unit_costs", asdict(costs) | {"measured_at": now})

    def ticks(self, after_id: int = 0, limit: int | None = None) -> pl.DataFrame:
        return self._database.frame(
            f"""
            SELECT {_TICK} FROM registry.ticks WHERE tick_id > ?
            ORDER BY tick_id LIMIT ?
            """,
            [after_id, limit],
        )

    def newest_ticks(
        self,
        limit: int,
        *,
        before_id: int | None = None,
        timeframe: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> pl.DataFrame:
        bounds: list[tuple[str, object]] = [
            ("tick_id < ?", before_id),
            ("timeframe = ?", timeframe),
            ("judged_at >= make_timestamp_ms(?)::TIMESTAMP_MS", since_ms),
            ("judged_at < make_timestamp_ms(?)::TIMESTAMP_MS", until_ms),
        ]
        asked = [(bound, value) for bound, value in bounds if value is not None]
        return self._database.frame(
            f"SELECT {_TICK} FROM registry.ticks "
            f"{'WHERE ' if asked else ''}{' AND '.join(bound for bound, _ in asked)} ORDER BY tick_id DESC LIMIT ?",
            [*(value for _, value in asked), limit],
        )

    def totals(
        self, by: TotalsBy = "timeframe", *, since_ms: int | None = None, until_ms: int | None = None
    ) -> pl.DataFrame:
        ticks, runs = (each.between(since_ms, until_ms) for each in (self._tick_totals, self._run_totals))
        return add_up(ticks, runs, by)

    def plan_sizes(self) -> dict[str, PlanSize]:
        return dict(self._plan_sizes)

    def registry_sizes(self, *, since_ms: int | None = None, until_ms: int | None = None) -> pl.DataFrame:
        since = naive_time(0 if since_ms is None else since_ms)
        until = None if until_ms is None else naive_time(until_ms)
        return self._database.frame(
            f"SELECT noted_at, {', '.join(SIZES)} FROM registry.registry_sizes "
            "WHERE noted_at >= ? AND (?::TIMESTAMP_MS IS NULL OR noted_at < ?) "
            "ORDER BY noted_at",
            [since, until, until],
        )

    def runs(
        self, limit: int | None = None, *, timeframe: str | None = None, since_ms: int | None = None
    ) -> pl.DataFrame:
        return self._database.frame(
            f"""
            SELECT {_RUN} FROM (
                SELECT * FROM registry.tick_runs
                WHERE (?::VARCHAR IS NULL OR timeframe = ?) AND finished_at >= ?
                ORDER BY number DESC LIMIT ?
            ) AS last ORDER BY number
            """,
            [timeframe, timeframe, naive_time(since_ms or 0), limit],
        )

    def unit_costs(self) -> UnitCosts | None:
        rows = self._database.frame(
            "SELECT sample, load_us, indicator_us, check_us FROM registry.unit_costs ORDER BY measured_at DESC LIMIT 1"
        )
        return UnitCosts(**rows.row(0, named=True)) if rows.height else None

    def _set_anchor(self, series: Series, open_ms: int, built_from: str | None, grid: Grid) -> None:
        self._anchors[series] = open_ms
        self._built_from.pop(series, None)
        self._grids.pop(series, None)
        if built_from is not None:
            self._built_from[series] = built_from
        if grid != UTC_GRID:
            self._grids[series] = grid

    def _refuse_stale(self, record: TickRecord) -> None:
        if record.rebase != self._last_rebase:
            raise StaleTick(
                f"the tick was judged before rebase {self._last_rebase}; nothing was written, load the anchors again"
            )
        moved = {move.group for move in record.moves}
        if record.registry_version is not None:
            activated = self._begun_after(record.registry_version)
            if activated is None:
                raise StaleTick(
                    "conditions or subscriptions changed after the tick loaded them, before the store's owner started "
                    "or many changes ago; nothing was written, load the conditions again"
                )
            for group, from_ms_ in activated:
                if group in moved and from_ms_ < record.close_time_ms:
                    raise StaleTick(
                        f"a condition of {group} became active, or no longer is, on the candle that closes at "
                        f"{_shown(record.close_time_ms)}; nothing was written, load the conditions again"
                    )
        if record.candles_read is not None:
            self._refuse_changed_candles(record, record.candles_read)
        for move in record.moves:
            stored = self._watermarks.of(move.group)
            if stored != move.from_ms:
                raise StaleTick(
                    f"the tick started {move.group} at {_shown(move.from_ms)}, but it has been judged up to "
                    f"{_shown(stored)}; nothing was written, load the watermarks again"
                )

    def _refuse_changed_candles(self, record: TickRecord, candles_read: int) -> None:
        """Before its tick is recorded, a candle may be replaced; afterwards the same change is a revision."""
        for series in {series for move in record.moves for series in move.group.series}:
            timeframe = record.built_from.get(series, self._built_from.get(series))
            read = series if timeframe is None else series.at(timeframe)
            if self._candle_changes.reached(read, candles_read, record.close_time_ms):
                raise StaleTick(
                    f"candles of {read} changed while its slot that closes at {_shown(record.close_time_ms)} was "
                    "judged; nothing was written, load the candles again"
                )

    def _new_anchors(self, record: TickRecord) -> dict[Series, int]:
        """The anchors of a tick that are not known yet; raises :class:`StaleTick` if one contradicts a known anchor."""
        fresh: dict[Series, int] = {}
        for series, anchor in record.anchors.items():
            known = self._anchors.get(series)
            if known is None:
                fresh[series] = anchor
            elif (known, self._built_from.get(series), self._grids.get(series, UTC_GRID)) != (
                anchor,
                record.built_from.get(series),
                record.grids.get(series, UTC_GRID),
            ):
                raise StaleTick(
                    f"the tick judged {series} from {show_time(anchor)} on, but its anchor is {show_time(known)}; "
                    "nothing was written, load the anchors again"
                )
        return fresh

    def _judged_before_rebases(self) -> list[JudgedSpan]:
        """What was judged from anchors that no longer count: an audit still needs it as it was."""
        marks = {rebase: _judged_until(before.items()) for rebase, before in self.rebase_watermarks().items()}
        spans: list[JudgedSpan] = []
        earlier: dict[Series, Anchor] = {}
        for anchor in self.anchor_history():
            before, until = earlier.get(anchor.series), marks.get(anchor.rebase, {}).get(anchor.series)
            if before is not None and until is not None:
                spans.append(_judged_span(before, until))
            earlier[anchor.series] = anchor
        return spans

    def _recent_answers(self, count: int = _ANSWERS_KEPT) -> dict[str, range]:
        """Token -> answer of the last ticks: a worker sends its tick again if the owner restarts meanwhile."""
        rows = self._database.rows(
            "SELECT token, first_seq, last_seq FROM registry.ticks WHERE tick_id > ? AND token IS NOT NULL "
            "ORDER BY tick_id",
            [self._last_tick_id - count],
        )
        return {str(token): range(int(str(first)), int(str(last)) + 1) for token, first, last in rows}


def _load_plan_sizes(database: Database) -> dict[str, PlanSize]:
    """Timeframe -> what its newest run judged."""
    planned = "(SELECT * FROM registry.tick_runs WHERE plan_conditions IS NOT NULL)"
    rows = database.rows(
        "SELECT timeframe, plan_conditions, plan_indicators, plan_series "
        f"FROM {newest_rows(planned, 'timeframe', 'number')} AS newest"
    )
    return {str(timeframe): PlanSize(*(int(str(count)) for count in counts)) for timeframe, *counts in rows}


def _judged_until(marks: Iterable[tuple[Group, int]]) -> dict[Series, int]:
    """Series -> the time up to which groups with these watermarks have judged its slots."""
    until: dict[Series, int] = {}
    for group, watermark in marks:
        for series in group.series:
            until[series] = max(until.get(series, watermark), watermark)
    return until


def _judged_span(anchor: Anchor, until_ms: int) -> JudgedSpan:
    """The candles of which a series is made in its slots from an anchor on that had ended by a time."""
    stored = anchor.stored
    last_ms = _last_part(anchor.series.timeframe, stored.timeframe, anchor.grid, until_ms)
    return JudgedSpan(stored, anchor.open_ms, last_ms)


# Thousands of series share a few grids and times.
@lru_cache(maxsize=1024)
def _last_part(timeframe: str, part: str, grid: Grid, until_ms: int) -> int:
    """Open time of the last slot of ``part`` in those of a timeframe that had ended by a time."""
    slots, parts = slots_of(timeframe, grid), slots_of(part, grid)
    return parts.open(parts.last_closed(slots.close(slots.last_closed(until_ms))))


def _tick_row(record: TickRecord, tick_id: int) -> dict[str, object]:
    return {
        "tick_id": tick_id,
        "timeframe": record.timeframe,
        "close_time": naive_time(record.close_time_ms),
        "late": record.late,
        "groups": len(record.moves),
        "holes": len(record.holes),
        "triggers": record.triggers.height,
        "zones_version": record.zones_version,
        **asdict(record.metrics),
    }


def _anchor_rows(source: TickRecord | Rebase, rebase: int, now_ms: int) -> pl.DataFrame:
    anchors = source.anchors
    grids = [str(source.grids.get(series, UTC_GRID)) for series in anchors]
    return _times(anchors.items(), "series", "anchor").with_columns(
        pl.Series("built_from", [source.built_from.get(series) for series in anchors], dtype=pl.String),
        pl.Series("grid", grids, dtype=pl.String),
        pl.lit(rebase).alias("rebase"),
        pl.lit(naive_time(now_ms)).cast(pl.Datetime("ms")).alias("created_at"),
    )


def _times(rows: Iterable[tuple[str, int]], name: str, time: str) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema={name: pl.String, time: pl.Int64}, orient="row").with_columns(
        pl.from_epoch(time, time_unit="ms").cast(pl.Datetime("ms"))
    )


def _shown(time_ms: int | None) -> str:
    return "nothing yet" if time_ms is None else show_time(time_ms)

"""The store's files over a month of ticks of 1m, tidied up every hour as the owner does it."""

import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from common.clock import ReplayClock
from common.timeframes import from_ms
from registry.groups import Group, Series
from registry.instruments import Instrument
from registry.store.files.file_store import FileStore
from registry.store.parts.delivery import LogReading
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove

START_MS = 1_735_689_600_000
"""2025-01-01."""
_MINUTE_MS = 60_000
_HOUR, _DAY = 60, 1_440
"""Ticks."""
_TABLES = ("group_watermarks", "event_log_readings", "delivery_cursors")
"""What grows with every tick or minute, and is of no use soon after."""


def month(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """A tick a minute, with the log's readings and the webhooks' cursor; the size of the files, row by row of days."""
    rows, trims = [], list[float]()
    groups = [Group([Series(Instrument("BINANCE", f"C{number}USDT"), "1m")]) for number in range(scale.month_groups)]
    with tempfile.TemporaryDirectory() as made:
        clock = ReplayClock(START_MS)
        with FileStore(Path(made), clock=clock) as store:
            for number in range(1, scale.month_ticks + 1):
                _minute(store, clock, groups, number)
                if number % _HOUR == 0:
                    started = time.process_time()
                    store.trim(clock.now_ms() - 30 * _DAY * _MINUTE_MS)
                    trims.append((time.process_time() - started) * 1e3)
                if number % max(_HOUR, scale.month_ticks // 10) == 0:
                    rows.append((number, _bytes(Path(made)), _counts(store)))
    half = rows[len(rows) // 2 - 1] if len(rows) > 1 else rows[-1]
    kept = [sum(counts) for _, _, counts in rows]
    growth = (rows[-1][1] - half[1]) / max(1, rows[-1][0] - half[0])
    remark = (
        f"{scale.month_ticks:,} ticks of {scale.month_groups} groups with two triggers, a reading of the log and a "
        f"move of a reader's place a minute, tidied up every hour, which took {figure(sum(trims) / len(trims))} ms of "
        f"CPU time on average, {figure(max(trims))} ms at most. What grows are ticks and triggers, which are kept for "
        f"good: {growth:.0f} bytes a tick in the second half."
    )
    table = Table(
        remark,
        ("ticks", "days", "registry.duckdb with its log, MB", *(f"rows of {name}" for name in _TABLES)),
        [
            [f"{number:,}", figure(number / _DAY), figure(size / 1e6), *(f"{count:,}" for count in counts)]
            for number, size, counts in rows
        ],
    )
    ratio = kept[-1] / max(1, kept[len(kept) // 2])
    return Section(
        "A month of ticks",
        [table],
        [at_most("rows that are of no use soon after, at the end against the middle", 1.1, ratio, "x")],
    )


def _minute(store: FileStore, clock: ReplayClock, groups: list[Group], number: int) -> None:
    close_ms = START_MS + number * _MINUTE_MS
    clock.move_to(close_ms + 200)
    before = close_ms - _MINUTE_MS if number > 1 else None
    store.ticks.record_tick(
        TickRecord(
            timeframe="1m",
            close_time_ms=close_ms,
            late=False,
            moves=tuple(WatermarkMove(group, before, close_ms) for group in groups),
            triggers=_triggers(close_ms, number),
            holes=(),
            anchors={} if number > 1 else {group.base: START_MS for group in groups},
            metrics=TickMetrics(10_000, 1_000, 300, len(groups), 12_000, 11_000, 2_000, 1_500, 400, 900, 300),
        )
    )
    seq = store.triggers.last_seq()
    store.delivery.move_cursor("webhooks", seq)
    store.delivery.record_log(LogReading(clock.now_ms(), seq, seq, seq, 1_000_000, {"webhooks": 0}))


def _triggers(close_ms: int, number: int) -> pl.DataFrame:
    ids = [f"{(2 * number + place) * 2_654_435_761 % (1 << 32):08x}{'0' * 24}" for place in range(2)]
    close, opened = from_ms(close_ms), from_ms(close_ms - _MINUTE_MS)
    return pl.DataFrame(
        {
            "trigger_id": [f"{name}:{close_ms}" for name in ids],
            "condition_id": ids,
            "exchange": "BINANCE",
            "symbol": "C0USDT",
            "timeframe": "1m",
            "open_time": pl.Series([opened] * 2, dtype=pl.Datetime("ms", "UTC")),
            "close_time": pl.Series([close] * 2, dtype=pl.Datetime("ms", "UTC")),
            "price": 1.5,
            "values": '{"rsi(14, close)":29.5}',
            "settled": True,
            "late": False,
            "definition_versions": "rsi=1",
        }
    )


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("registry.duckdb*"))


def _counts(store: FileStore) -> list[int]:
    return [int(str(store._database.rows(f"SELECT count(*) FROM registry.{name}")[0][0])) for name in _TABLES]

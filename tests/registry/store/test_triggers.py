"""Triggers: what each condition has done, reading them from anywhere, and following an event log that is ahead."""

from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import StoreError
from common.timeframes import from_ms
from registry.groups import Group
from registry.store.files import trigger_tables
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove
from registry.store.parts.triggers import ConditionState
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt

HOUR = 3_600_000
BTC = Group.parse("BINANCE:BTCUSDT 1h")


def rows_of(close_ms: int, *conditions: str) -> pl.DataFrame:
    count = len(conditions)
    return pl.DataFrame(
        {
            "trigger_id": [f"{name}:{close_ms}" for name in conditions],
            "condition_id": list(conditions),
            "exchange": ["BINANCE"] * count,
            "symbol": ["BTCUSDT"] * count,
            "timeframe": ["1h"] * count,
            "open_time": [from_ms(close_ms - HOUR)] * count,
            "close_time": [from_ms(close_ms)] * count,
            "price": [1.5] * count,
            "values": ["{}"] * count,
            "settled": [True] * count,
            "late": [False] * count,
            "definition_versions": ["rsi=1"] * count,
        },
        schema_overrides={
            "trigger_id": pl.String,
            "condition_id": pl.String,
            "open_time": pl.Datetime("ms", "UTC"),
            "close_time": pl.Datetime("ms", "UTC"),
        },
    )


def record(store: Store, hour: int, *conditions: str) -> range:
    """Judge one hour, in which conditions fire."""
    before = store.ticks.watermarks("1h").get(BTC)
    return store.ticks.record_tick(
        TickRecord(
            timeframe="1h",
            close_time_ms=hour * HOUR,
            late=False,
            moves=(WatermarkMove(BTC, before, hour * HOUR),),
            triggers=rows_of(hour * HOUR, *conditions),
            holes=(),
            anchors={},
            metrics=TickMetrics(*[0] * 11),
        )
    )


def published(first_seq: int, *fired: tuple[int, str]) -> pl.DataFrame:
    """What an event log has: triggers of hours and conditions, from a seq on."""
    return pl.concat(rows_of(hour * HOUR, name) for hour, name in fired).select(
        pl.int_range(first_seq, first_seq + len(fired)).alias("seq"),
        pl.all(),
        pl.lit(from_ms(5)).dt.cast_time_unit("ms").alias("emitted_at"),
    )


def seqs(rows: pl.DataFrame) -> list[int]:
    return rows["seq"].to_list()


def ids(store: Store) -> list[tuple[int, str]]:
    return store.triggers.after(0, 1_000).select("seq", "trigger_id").rows()


def test_what_a_condition_has_done_is_known_and_kept(open_at: OpenAt, tmp_path: Path) -> None:
    for _ in range(2):
        with open_at(tmp_path / "s") as store:
            done = len(store.ticks.ticks())
            record(store, done + 1, "a", "b")
            record(store, done + 2, "a")
            counts = store.triggers.counts()
    with open_at(tmp_path / "s") as store:
        assert store.triggers.condition_state("a") == ConditionState(4, 4 * HOUR, 6)
        assert store.triggers.condition_state("b") == ConditionState(2, 3 * HOUR, 5)
        assert store.triggers.condition_state("never") == ConditionState()
        assert store.triggers.counts().equals(counts)
        assert counts.rows() == [("a", 4, from_ms(4 * HOUR)), ("b", 2, from_ms(3 * HOUR))]


@pytest.mark.parametrize("block", [1, 2, 3, 1_000])
def test_pages_of_triggers(store: Store, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(trigger_tables, "_BLOCK", block)
    for hour in range(1, 7):
        record(store, hour, *("abc" if hour % 3 == 0 else "a"))
    triggers = store.triggers
    assert seqs(triggers.of("a", 100)) == [8, 7, 6, 3, 2, 1]
    assert seqs(triggers.of("a", 2)) == [8, 7]
    assert seqs(triggers.of("a", 2, before_seq=7)) == [6, 3]
    assert seqs(triggers.of("c", 9)) == [10, 5]
    assert seqs(triggers.of("c", 9, before_seq=5)) == []
    assert seqs(triggers.of("none", 9)) == []
    assert seqs(triggers.after(3, 4)) == [4, 5, 6, 7]
    assert seqs(triggers.after(1, 3, ["b", "c"])) == [4, 5, 9]
    assert seqs(triggers.after(5, 3, {"b"})) == [9]
    assert seqs(triggers.after(0, 3, [])) == []
    assert triggers.after(0, 3, ["b"]).schema == triggers.after(0, 3).schema


def test_ticks_are_read_in_pages(store: Store) -> None:
    for hour in range(1, 6):
        record(store, hour)
    assert store.ticks.ticks(after_id=2, limit=2)["tick_id"].to_list() == [3, 4]
    assert store.ticks.ticks(after_id=4)["tick_id"].to_list() == [5]


def test_a_raised_floor_is_kept_and_passed_over(open_at: OpenAt, tmp_path: Path) -> None:
    with open_at(tmp_path / "s") as store:
        record(store, 1, "a", "b")
        store.triggers.raise_floor(10)
        store.triggers.raise_floor(4)
        assert store.triggers.last_seq() == 10
    with open_at(tmp_path / "s") as store:
        assert store.triggers.last_seq() == 10
        assert store.triggers.floor_gaps() == [(3, 10)]
        assert record(store, 2, "a", "b", "c") == range(11, 14)
        assert seqs(store.triggers.after(0, 3)) == [1, 2, 11]
        assert seqs(store.triggers.after(1, 3)) == [2, 11, 12]
        assert seqs(store.triggers.after(5, 2)) == [11, 12]
        assert seqs(store.triggers.of("a", 9)) == [11, 1]


def test_what_a_log_knows_is_taken_and_not_recorded_again(open_at: OpenAt, tmp_path: Path) -> None:
    """An older backup: the log has two more ticks, which are then judged forward once more."""
    clock = ReplayClock(0)
    with open_at(tmp_path / "s", clock) as store:
        record(store, 1, "a")
        ahead = published(1, (1, "a"), (2, "a"), (2, "b"), (3, "b"))
        assert store.triggers.adopt(ahead) == 3
        assert store.triggers.adopt(ahead) == 0
        assert store.ticks.watermarks("1h") == {BTC: HOUR}
        assert store.triggers.condition_state("b") == ConditionState(2, 3 * HOUR, 4)
        assert record(store, 2, "a", "b") == range(5, 5)
    with open_at(tmp_path / "s", clock) as store:
        assert record(store, 3, "b", "c") == range(5, 6)
        assert ids(store) == [
            (1, f"a:{HOUR}"),
            (2, f"a:{2 * HOUR}"),
            (3, f"b:{2 * HOUR}"),
            (4, f"b:{3 * HOUR}"),
            (5, f"c:{3 * HOUR}"),
        ]
        assert store.triggers.floor_gaps() == []


def test_a_trigger_that_is_there_gives_its_seq_away(store: Store) -> None:
    record(store, 1, "a")
    record(store, 2, "a", "b")
    assert store.triggers.adopt(published(4, (2, "b"), (3, "c"), (3, "c"))) == 3
    assert ids(store)[2:] == [(3, f"b:{2 * HOUR}"), (5, f"c:{3 * HOUR}")]
    assert store.triggers.floor_gaps() == [(4, 4), (6, 6)]
    assert record(store, 3, "d") == range(7, 8)


@pytest.mark.parametrize(
    "rows", [published(3, (2, "b")), published(2, (2, "b"), (3, "b")).with_columns(pl.Series("seq", [2, 4]))]
)
def test_rows_that_do_not_follow_are_refused(store: Store, rows: pl.DataFrame) -> None:
    record(store, 1, "a")
    with pytest.raises(StoreError, match="do not follow 1"):
        store.triggers.adopt(rows)
    assert ids(store) == [(1, f"a:{HOUR}")]


def test_rows_follow_a_raised_floor(store: Store) -> None:
    record(store, 1, "a")
    store.triggers.raise_floor(7)
    assert store.triggers.adopt(published(8, (2, "b"))) == 1
    assert ids(store) == [(1, f"a:{HOUR}"), (8, f"b:{2 * HOUR}")]

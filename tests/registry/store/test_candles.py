"""Candles in the store: added once, never rewritten once judged, nothing lost."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from common.errors import CandlesMissing, StoreError
from registry.groups import Group, Series
from registry.store.parts.candles import UpsertCounts
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt

HOUR = 3_600_000
NO_METRICS = TickMetrics(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
NO_TRIGGERS = pl.DataFrame(
    schema={
        "trigger_id": pl.String,
        "condition_id": pl.String,
        "exchange": pl.String,
        "symbol": pl.String,
        "timeframe": pl.String,
        "open_time": pl.Datetime("ms", "UTC"),
        "close_time": pl.Datetime("ms", "UTC"),
        "price": pl.Float64,
        "values": pl.String,
        "settled": pl.Boolean,
        "late": pl.Boolean,
        "definition_versions": pl.String,
    }
)
BTC = Series.parse("BINANCE:BTCUSDT 1h")


def hours(sample: pl.DataFrame, count: int) -> pl.DataFrame:
    return sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).head(count)


def judge_until(store: Store, candles: pl.DataFrame, judged: int) -> None:
    """Record ticks as if the first ``judged`` candles had been judged."""
    opens = candles["open_time"].dt.epoch("ms")
    until = int(opens[judged - 1]) + HOUR
    store.ticks.record_tick(
        TickRecord(
            timeframe="1h",
            close_time_ms=until,
            late=False,
            moves=(WatermarkMove(Group([BTC]), None, until),),
            triggers=NO_TRIGGERS,
            holes=(),
            anchors={BTC: int(opens[0])},
            metrics=NO_METRICS,
        )
    )


def test_what_goes_in_comes_out(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 100)
    assert store.candles.upsert(candles) == UpsertCounts(inserted=100)
    back = store.candles.between(BTC, 0, 10**15)
    assert back.equals(candles.sort("open_time"))
    assert store.candles.last(BTC, 10**15, 7).equals(candles.tail(7))


def test_the_same_candles_again_change_nothing(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 100)
    store.candles.upsert(candles)
    assert store.candles.upsert(candles) == UpsertCounts(unchanged=100)
    assert store.candles.series()["candles"].to_list() == [100]


def test_a_correction_before_judging_replaces_the_candle(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 10)
    store.candles.upsert(candles)
    corrected = candles.with_columns(pl.col("volume") + 1).tail(3)
    assert store.candles.upsert(corrected) == UpsertCounts(replaced=3)
    assert store.candles.between(BTC, 0, 10**15).tail(3).equals(corrected)


def test_a_judged_candle_is_never_rewritten(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 10)
    store.candles.upsert(candles)
    judge_until(store, candles, 6)
    corrected = candles.with_columns(pl.col("volume") + 1)
    assert store.candles.upsert(corrected) == UpsertCounts(revised=6, replaced=4)
    assert store.candles.between(BTC, 0, 10**15).head(6).equals(candles.head(6))
    assert store.candles.series()["revisions"].to_list() == [6]
    assert store.candles.upsert(corrected) == UpsertCounts(unchanged=10), "the same correction is kept once"


def test_a_candle_that_comes_after_its_slot_was_judged_as_missing_stays_out(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 10)
    late = candles[4]
    store.candles.upsert(pl.concat([candles[:4], candles[5:]]))
    judge_until(store, candles, 8)
    assert store.candles.upsert(late) == UpsertCounts(revised=1)
    assert store.candles.between(BTC, 0, 10**15).height == 9


def test_marks_stay_with_their_candles(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 10)
    marked = candles.with_columns(widened=pl.int_range(pl.len()) < 3)
    assert store.candles.upsert(marked) == UpsertCounts(inserted=10)
    assert store.candles.series()["widened"].to_list() == [3]
    assert store.candles.upsert(candles.with_columns(pl.col("volume") + 1)) == UpsertCounts(replaced=10)
    assert store.candles.series()["widened"].to_list() == [0], "others have come in their places"


def test_older_candles_than_the_anchor_are_simply_stored(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 20)
    store.candles.upsert(candles.tail(10))
    judge_until(store, candles.tail(10), 5)
    assert store.candles.upsert(candles.head(10)) == UpsertCounts(inserted=10)


def test_candles_that_nobody_judged_can_be_deleted(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 20)
    opens = candles["open_time"].dt.epoch("ms").to_list()
    store.candles.upsert(candles)
    version = store.candles.version([BTC])
    assert store.candles.delete(BTC, opens[15], opens[18]) == 3
    assert store.candles.between(BTC, 0, 10**15)["open_time"].dt.epoch("ms").to_list() == opens[:15] + opens[18:]
    assert store.candles.version([BTC]) > version
    assert store.candles.delete(BTC, opens[15], opens[18]) == 0, "safe to repeat"
    assert store.candles.upsert(candles) == UpsertCounts(inserted=3, unchanged=17)


def test_a_judged_candle_is_never_deleted(store: Store, sample: pl.DataFrame) -> None:
    candles = hours(sample, 20)
    opens = candles["open_time"].dt.epoch("ms").to_list()
    store.candles.upsert(candles)
    judge_until(store, candles[5:], 10)
    assert store.candles.judged(BTC) == [(opens[5], opens[14] + 1)]
    with pytest.raises(StoreError, match=r"10 of these candles .* were judged, and what was judged stays"):
        store.candles.delete(BTC, 0, 10**14)
    assert store.candles.between(BTC, 0, 10**15).height == 20
    assert store.candles.delete(BTC, opens[15], 10**14) == 5
    assert store.candles.delete(BTC, 0, opens[5]) == 5
    assert store.candles.between(BTC, 0, 10**15).height == 10


def test_a_series_whose_candles_are_deleted_is_none(store: Store, sample: pl.DataFrame) -> None:
    store.candles.upsert(sample)
    others = store.candles.names() - {BTC}
    store.candles.delete(BTC, 0, 10**14)
    assert store.candles.names() == others
    with pytest.raises(CandlesMissing, match="hub candles list"):
        store.candles.delete(BTC, 0, 10**14)
    assert store.candles.upsert(hours(sample, 7)) == UpsertCounts(inserted=7)
    assert store.candles.names() == others | {BTC}
    assert store.candles.series()["candles"].sum() == sample.height - hours(sample, 10**6).height + 7


def test_quarantined_rows_are_kept_once(store: Store) -> None:
    rows = pl.DataFrame(
        {
            "exchange": ["BINANCE"],
            "symbol": ["BTCUSDT"],
            "timeframe": ["1h"],
            "open_time": [None],
            "open": [1.0],
            "high": [None],
            "low": [1.0],
            "close": [1.0],
            "volume": [1.0],
            "reason": ["high is missing"],
            "source": ["bad.csv"],
            "line": [7],
        },
        schema_overrides={"open_time": pl.Datetime("ms", "UTC"), "high": pl.Float64, "line": pl.Int64},
    )
    assert store.candles.quarantine(rows) == 1
    assert store.candles.quarantine(rows) == 0
    kept = store.candles.quarantined()
    assert kept["reason"].to_list() == ["high is missing"]
    assert kept["line"].to_list() == [7]


def test_everything_is_there_after_opening_again(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    candles = hours(sample, 50)
    with open_at(tmp_path / "s") as store:
        store.candles.upsert(candles)
        judge_until(store, candles, 20)
    with open_at(tmp_path / "s") as store:
        assert store.candles.between(BTC, 0, 10**15).equals(candles)
        assert store.ticks.watermarks("1h") == {Group([BTC]): int(candles["open_time"].dt.epoch("ms")[19]) + HOUR}
        changed = candles.with_columns(pl.col("close") * 1.0 + 0.0, pl.col("volume") + 1)
        assert store.candles.upsert(changed) == replace(UpsertCounts(), revised=20, replaced=30)


def test_names_and_extents_are_those_of_the_candles_that_there_are(store: Store, sample: pl.DataFrame) -> None:
    """However often they are asked for in between."""
    candles = hours(sample, 10)
    opens = candles["open_time"].dt.epoch("ms").to_list()
    seen = []
    for part in (candles[2:4], candles[4:5], candles[0:1]):
        store.candles.upsert(part)
        seen.append(store.candles.extent("1h")[BTC])
        assert store.candles.names() == {BTC}
    assert seen == [(opens[2], opens[3]), (opens[2], opens[4]), (opens[0], opens[4])]
    store.candles.upsert(candles.with_columns(pl.lit("30m").alias("timeframe")))
    assert store.candles.names() == {BTC, BTC.at("30m")}
    assert store.candles.delete(BTC, opens[3], opens[9]) == 2
    assert store.candles.extent("1h") == {BTC: (opens[0], opens[2])}
    store.candles.delete(BTC, opens[0], opens[9])
    assert (store.candles.extent("1h"), store.candles.names()) == ({}, {BTC.at("30m")})


def test_what_a_reader_does_with_names_and_extents_changes_nothing(store: Store, sample: pl.DataFrame) -> None:
    store.candles.upsert(hours(sample, 3))
    store.candles.extent("1h").clear()
    store.candles.names().clear()
    assert store.candles.names() == set(store.candles.extent("1h")) == {BTC}

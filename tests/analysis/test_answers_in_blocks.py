"""Answers about one candle read their history in blocks and keep a part of it, and are what the whole of it says."""

import random
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import analysis
from analysis.explain import TRUTHS, explain
from analysis.now import current_truth
from analysis.preview import preview
from analysis.valuation import Valuation
from analysis.work import check_explanation, check_preview
from common.errors import TooMuchWork
from common.timeframes import DURATION_MS
from engine.candle_history import FrameHistory
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Calendar
from tests.analysis.block_history import in_blocks
from tests.engine.live import histories_of
from tests.engine.test_language_evaluation import gappy, some_conditions, some_sessions

HOUR_MS = DURATION_MS["1h"]
DAY_MS = 24 * HOUR_MS


def since_of(values: Valuation, row: int) -> int:
    """Close time of the first candle of the truth that a candle has, without a missing one in between."""
    truths = values.truth(values.condition.tree)
    first = row
    while first and truths[first - 1] == truths[row] and values.steps_back[first]:
        first -= 1
    return int(values.closes[first])


def up_to(histories: Mapping[Series, pl.DataFrame], close_ms: int) -> dict[Series, pl.DataFrame]:
    """The candles that had closed by a time."""
    return {
        series: candles.filter(pl.col("open_time").dt.epoch("ms") + DURATION_MS[series.timeframe] <= close_ms)
        for series, candles in histories.items()
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("recent", [1, 5, 1000])
def test_the_present_truth(sample: pl.DataFrame, seed: int, recent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.now._RECENT", recent)
    monkeypatch.setattr("analysis.now._RECENT_VALUES", 0)
    monkeypatch.setattr("analysis.now._FARTHER", 3)
    monkeypatch.setattr("engine.history._SPAN", 23)
    dice = random.Random(900 + seed)
    histories = gappy(sample, dice, dice.choice((0.0, 0.05)))
    calendars: Mapping[str, Calendar] = some_sessions(seed, histories)
    longest = 0
    for condition in some_conditions(dice, 30):
        opens = histories[condition.series]["open_time"].dt.epoch("ms")
        end_ms = int(opens[dice.randrange(opens.len() // 2, opens.len())]) + HOUR_MS
        there = up_to(histories, end_ms)
        whole = Valuation(condition, there, calendars)
        row = whole.opens.size - 1
        now = current_truth(condition, in_blocks(there, seed), calendars)
        assert now is not None
        assert now.truth == TRUTHS[whole.truth(condition.tree)[row]], str(condition)
        assert now.since_ms == since_of(whole, row), str(condition)
        assert (now.close_ms, now.settled) == (int(whole.closes[row]), whole.settled(row))
        longest = max(longest, (now.close_ms - now.since_ms) // HOUR_MS)
        shown = explain(condition, in_blocks(there, seed + 1), calendars)
        assert shown == explain(condition, there, calendars)
        assert shown.tree is not None
        for reading in shown.tree.readings:
            if reading.text in now.values:
                assert reading.now == now.values[reading.text]
    assert longest > 20


@pytest.mark.parametrize("seed", range(4))
def test_an_explanation_of_any_candle(sample: pl.DataFrame, seed: int) -> None:
    dice = random.Random(40 + seed)
    histories = gappy(sample, dice, 0.05)
    calendars = some_sessions(seed, histories)
    for condition in some_conditions(dice, 25):
        whole = Valuation(condition, histories, calendars)
        truths, fires = whole.truth(condition.tree), whole.fires()
        opens = whole.opens.tolist()
        for row in {0, 1, *dice.sample(range(len(opens)), 4)}:
            shown = explain(condition, in_blocks(histories, row), calendars, at_ms=opens[row] + HOUR_MS)
            assert (shown.open_time, shown.truth, shown.fires) == (opens[row], TRUTHS[truths[row]], fires[row])
            assert shown.settled == whole.settled(row)
            assert shown.freshness[0].candles == len(opens)
            tail = Valuation(condition, in_blocks(histories, row), calendars, last=2, until_ms=opens[row])
            assert tail.opens[-1] == opens[row]
            for operand in dict.fromkeys(
                side for side in (getattr(condition.tree, "left", None), getattr(condition.tree, "right", None)) if side
            ):
                # To the last bit: indicators were moved over everything before.
                assert tail.value(operand)[-2:].tobytes() == whole.value(operand)[: row + 1][-2:].tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_a_preview_of_any_span(sample: pl.DataFrame, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.history._SPAN", 31)
    dice = random.Random(70 + seed)
    histories = gappy(sample, dice, dice.choice((0.0, 0.05)))
    calendars = some_sessions(seed, histories)
    conditions = some_conditions(dice, 25)
    rows = analysis.scan(conditions, pl.concat(list(histories.values())), calendars=calendars)
    shown = 0
    for condition in conditions:
        opens = histories[condition.series]["open_time"].dt.epoch("ms")
        first, last = sorted(dice.sample(range(opens.len()), 2))
        start_ms, end_ms = int(opens[first]), int(opens[last])
        scan = preview(condition, in_blocks(histories, seed), calendars, start_ms=start_ms, end_ms=end_ms)
        closes = pl.col("close_time").dt.epoch("ms")
        mine = rows.filter(pl.col("condition_id") == condition.id, closes > start_ms, closes <= end_ms)
        assert scan.triggers.equals(mine), str(condition)
        assert scan.candles == int(((opens + HOUR_MS > start_ms) & (opens + HOUR_MS <= end_ms)).sum())
        shown += mine.height
    assert shown > 100


def test_how_long_a_truth_has_lasted_is_looked_for_within_bounds(
    sample: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.now._RECENT_VALUES", 0)
    hourly = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h"))
    condition, histories = Condition.parse("BTCUSDT 1h: close rises_by 90% within 5 bars"), histories_of(hourly)
    now = current_truth(condition, histories)
    assert now is not None
    since = since_of(Valuation(condition, histories, {}), hourly.height - 1)
    assert (now.truth, now.since_ms) == ("FALSE", since)
    bounded = current_truth(condition, histories, most_values=1000)
    assert bounded == replace(now, since_ms=None)


def test_memory_does_not_grow_with_what_a_condition_unfolds_to(sample: pl.DataFrame) -> None:
    hourly = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h"))
    condition = Condition.parse("BTCUSDT 1h: close rises_by 1% within 500 bars")
    values = Valuation(condition, histories_of(hourly), {}, last=2)
    assert values.opens.size == 2 + 1 + 501
    assert np.isfinite(values.close).all()


def test_what_is_too_much_work_is_said_with_what_is_not() -> None:
    condition = Condition.parse("BTCUSDT 1h: close rises_by 1% within 500 bars")
    opens = pl.from_epoch(pl.Series(range(0, 100_000 * HOUR_MS, HOUR_MS)), "ms").cast(pl.Datetime("ms", "UTC"))
    histories = {condition.series: FrameHistory(pl.DataFrame({"open_time": opens}))}
    check_explanation(condition, histories, 200_000)
    with pytest.raises(TooMuchWork, match=r"explanation would take .* at most 50,000 are allowed: look back"):
        check_explanation(condition, histories, 50_000)
    span = {"start_ms": 0, "end_ms": 100_000 * HOUR_MS}
    check_preview(condition, histories, 200_000_000, **span)
    with pytest.raises(TooMuchWork, match=r"over 100,002 candles; .* span of at most 27 days"):
        check_preview(condition, histories, 1_100_000, **span)
    check_preview(condition, histories, 1_100_000, start_ms=span["end_ms"] - 27 * DAY_MS, end_ms=span["end_ms"])
    with pytest.raises(TooMuchWork, match="longer timeframe"):
        check_preview(condition, histories, 100_500, **span)

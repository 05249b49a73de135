"""A rule test passes if its condition fires as it expects, and says what was there where it does not."""

import random
from pathlib import Path

import polars as pl
import pytest

import analysis
from analysis.rule_tests.cases import RuleTest, SeriesCase
from analysis.rule_tests.judging import RuleOutcome, judge
from analysis.rule_tests.reading import read_rule_tests
from engine.calendars import as_calendars
from tests.engine.test_language_evaluation import gappy, some_conditions, some_sessions


def judged(tmp_path: Path, test: str) -> RuleOutcome:
    """The outcome of the one test of a file."""
    path = tmp_path / "rules.yaml"
    path.write_text(f"tests:\n  - {test}\n", encoding="utf-8")
    (read,) = read_rule_tests(path)
    return judge(read)


@pytest.mark.parametrize("seed", range(4))
def test_bars_are_those_of_a_scan(sample: pl.DataFrame, seed: int) -> None:
    dice = random.Random(700 + seed)
    histories = gappy(sample, dice, dice.choice((0.0, 0.05)))
    calendars = as_calendars(some_sessions(seed, histories))
    conditions = some_conditions(dice, 30)
    rows = analysis.scan(conditions, pl.concat(list(histories.values())), calendars=calendars)
    fired = 0
    for condition in conditions:
        cases = {
            series: SeriesCase(int(histories[series]["open_time"].dt.epoch("ms")[0]), histories[series], {})
            for series in condition.all_series
        }
        slots = calendars.of(condition.series).slots
        first = slots.number(cases[condition.series].start_ms)
        opens = rows.filter(condition_id=condition.id)["open_time"].dt.epoch("ms").to_list()
        bars = tuple(slots.number(open_ms) - first for open_ms in opens)
        test = RuleTest(Path("x.yaml"), 1, "", condition, calendars, cases, bars, len(bars), None)
        assert judge(test) == RuleOutcome(test, bars, ()), str(condition)
        fired += len(bars)
    assert fired > 100


def test_a_failure_says_what_was_there(tmp_path: Path) -> None:
    outcome = judged(
        tmp_path, '{condition: "BTCUSDT 1h: rsi(14) crosses_below 30", indicators: {rsi: 31 29 _ 31 29}, fires: [2, 4]}'
    )
    assert outcome.fired == (1, 4)
    assert outcome.failures == (
        "bar 1, 2024-01-01 01:00: it fires, which is not expected: it is TRUE, one step before FALSE (rsi(14) 29,"
        " before 31)",
        "bar 2, 2024-01-01 02:00: it does not fire, as is expected: there is no candle",
    )


def test_truths_and_counts_are_compared(tmp_path: Path) -> None:
    condition = 'condition: "BTCUSDT 1h: close > 10"'
    outcome = judged(tmp_path, f"{{{condition}, candles: 9 11 _ 9 11, truth: F T U F, fires_count: 1}}")
    assert outcome.failures == (
        "it fires 2 times, on bars 1, 4; 1 are expected",
        "bar 2, 2024-01-01 02:00: UNKNOWN is expected: there is no candle",
    )
    assert judged(tmp_path, f"{{{condition}, candles: 9 11 _ 9 11, truth: F T _ F, fires_count: 2}}").failures == ()


def test_a_written_output_replaces_that_output_alone(tmp_path: Path) -> None:
    # The other outputs of the same indicator, and other indicators, are computed from the candles.
    outcome = judged(
        tmp_path,
        '{condition: "BTCUSDT 1h: every(bbands(2, 2).lower < bbands(2, 2).middle and close > sma(2))",'
        ' candles: 10+1x4, indicators: {"bbands(2, 2).lower": U 0 99 0 99}, fires: [1, 3]}',
    )
    assert outcome.failures == ()


def test_many_failures_are_counted_not_listed(tmp_path: Path) -> None:
    outcome = judged(tmp_path, '{condition: "BTCUSDT 1h: every(close > 1)", candles: 2x99, fires: []}')
    assert len(outcome.failures) == 21
    assert outcome.failures[-1] == "… and 80 more"

"""``analysis.overlap``: how much two conditions are one."""

import analysis
from tests.analysis.backtesting.candles import sample


def test_near_duplicates_are_told_from_different_conditions() -> None:
    candles = sample()
    near = analysis.overlap("BTCUSDT 1h: rsi(14) crosses_below 30", "BTCUSDT 1h: rsi(14) crosses_below 30.1", candles)
    assert near.triggers_a == 87
    assert near.is_near_duplicate
    assert (near.indicators_a, near.indicators_b, near.shared_indicators) == (1, 1, 1)
    assert (near.saved_indicators, near.saved_comparisons) == (0, 1)
    other = analysis.overlap("BTCUSDT 1h: rsi(14) crosses_below 30", "BTCUSDT 1h: close > ema(50)", candles)
    assert not other.is_near_duplicate
    assert (other.shared_indicators, other.saved_indicators) == (0, 1)
    assert other.both == 0
    a_week = analysis.overlap(
        "BTCUSDT 1h: rsi(14) crosses_below 30", "BTCUSDT 1h: close > ema(50)", candles, within_ms=7 * 86_400_000
    )
    assert a_week.a_near_b > 40
    assert "different conditions" in str(other)
    assert "They share 1 indicator; one for both would save 0 indicators and 1 comparison a candle" in str(near)


def test_equal_conditions_are_one() -> None:
    same = analysis.overlap("BTCUSDT 1h: rsi < 30", "btc/usdt 60m: rsi(14) below 30.0", sample())
    assert same.jaccard == 1
    assert "they have one id and are judged once" in str(same)


def test_conditions_that_never_fire_have_no_share() -> None:
    never = analysis.overlap("BTCUSDT 1h: close < 1", "BTCUSDT 1h: close < 2", sample())
    assert never.jaccard is None
    assert "neither fires" in str(never)

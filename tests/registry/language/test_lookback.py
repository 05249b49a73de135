"""How many candles a condition needs, of which series."""

import pytest

from registry import Condition, ConditionError


def candles_needed(text: str) -> dict[str, tuple[int, int]]:
    return {
        str(series)[8:]: (needed.lookback, needed.settle) for series, needed in Condition.parse(text).needed.items()
    }


@pytest.mark.parametrize(
    ("expression", "lookback"),
    [
        ("close > 1", 0),
        ("close[3] > 1", 3),
        ("sma(20) > 1", 19),
        ("sma(20)[2] crosses_above 1", 22),
        ("close crosses_above 1 for 3 bars", 3),
        ("close > 1 for 3 bars", 2),
        ("(close > 1 for 3 bars) within 2 bars", 3),
        ("close rises_by 5 within 4 bars", 4),
        ("close rising 4 bars", 4),
        ("close enters 1 and 2", 1),
        ("2 of (close > 1, sma(5) > 1, close[9] > 1)", 9),
        ("every(not sma(5) * 2 > close[7])", 7),
        ("rsi(14) crosses_above ema(9, rsi(14))", 23),
        ("ema(9, ema(9, ema(9)))[2] > 1", 26),
        ("sma(20, (high - low) / close) > 1", 19),
        ("sma(5, rsi(14) - rsi(3)) > 1", 18),
    ],
)
def test_candles_of_the_own_series(expression: str, lookback: int) -> None:
    assert candles_needed(f"BTCUSDT 1h: {expression}")["BTCUSDT 1h"][0] == lookback


def test_candles_of_other_series() -> None:
    candles = candles_needed("BTCUSDT 1h: sma(20)[1]@4h crosses_above close@ETHUSDT for 5 bars")
    # Five candles of an hour and the one before the first may touch three of four hours.
    assert candles == {"BTCUSDT 1h": (0, 0), "BTCUSDT 4h": (22, 22), "ETHUSDT 1h": (5, 5)}
    assert list(candles) == [
        str(series)[8:] for series in Condition.parse("BTCUSDT 1h: close@4h > close@ETHUSDT").all_series
    ]


def test_settling() -> None:
    lookback, settle = candles_needed("BTCUSDT 1h: rsi < 30 for 3 bars")["BTCUSDT 1h"]
    assert lookback == 16
    assert settle > 200


def test_the_longest_look_back_counts_candles_of_each_series(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Condition.parse("BTCUSDT 1m: close > sma(200)@1w"), "two million minutes, but two hundred weeks"
    monkeypatch.setattr("registry.language.lookback.LONGEST_LOOKBACK", 1_300)
    assert Condition.parse("BTCUSDT 1m: close > sma(1000)[301]@1d")
    with pytest.raises(ConditionError, match=r"looks back 1301 candles of 1d; at most 1300 are allowed") as caught:
        Condition.parse("BTCUSDT 1m: close > 1 and close > sma(1000)[302]@1d")
    assert caught.value.position == len("BTCUSDT 1m: ")
    tree = {"left": "sma(1000)[302]@1d", "operator": "<", "right": 1}
    with pytest.raises(ConditionError, match="looks back 1301 candles of 1d") as caught:
        Condition.parse({"symbol": "BTCUSDT", "timeframe": "1m", "when": tree})
    assert caught.value.pointer == "/when"


def settled_after(operand: str) -> int | None:
    (needed,) = Condition.parse(f"BTCUSDT 1h: {operand} > 1").needed.values()
    return needed.settled_after


def test_settling_adds_up_for_averages_and_what_was_measured() -> None:
    rsi, ema, macd = settled_after("rsi(14)"), settled_after("ema(9)"), settled_after("macd.signal")
    assert rsi is not None
    assert ema is not None
    assert macd is not None
    assert settled_after("ema(9, rsi(14))") == ema + rsi
    assert settled_after("ema(9, ema(9, ema(9)))") == 3 * ema
    assert settled_after("bbands(20, 2, rsi(14)).lower") == 19 + rsi
    assert settled_after("macd(12, 26, 9, rsi(14)).signal") == macd + rsi
    assert settled_after("sma(20, rsi(14) - ema(9))") == 19 + max(rsi, ema)
    assert settled_after("ema(9, high - low)") == ema


def test_settling_is_not_known_where_a_sum_is_not_enough() -> None:
    """Unless neither remembers more than its window."""
    for operand in ("rsi(14, ema(9))", "kama(10, sma(5))", "bbands(20, 2, rsi).percent_b", "ema(9, rsi(14, rsi))"):
        assert settled_after(operand) is None, operand
    assert settled_after("roc(10, sma(5))") == 14
    assert settled_after("rsi(14, high - low)") == settled_after("rsi(14)")
    (needed,) = Condition.parse("BTCUSDT 1h: roc(10, rsi) > 1 and sma(500) > 1").needed.values()
    assert needed.settled_after is None
    assert needed.settle == 499

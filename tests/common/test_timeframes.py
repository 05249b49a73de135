"""One name for every platform's word for a timeframe."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import HubError, TimeframeError
from common.timeframes import DURATION_MS, UNITS, normalise_timeframe

NAMES = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1mo"]


def test_the_list_is_closed() -> None:
    assert list(DURATION_MS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_its_own_word_in_any_case(name: str) -> None:
    assert normalise_timeframe(name) == normalise_timeframe(f" {name} ") == name
    if name != "1m":
        assert normalise_timeframe(name.upper()) == name


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ("TradingView", {"1": "1m", "60": "1h", "240": "4h", "D": "1d", "1D": "1d", "W": "1w", "1W": "1w"}),
        ("MetaTrader", {"M1": "1m", "M5": "5m", "M15": "15m", "M30": "30m", "H1": "1h", "H4": "4h", "D1": "1d",
                        "W1": "1w", "MN1": "1mo"}),
        ("Binance and ccxt", {"1m": "1m", "1h": "1h", "3d": "3d", "1w": "1w"}),
        ("Kraken", {"1440": "1d", "10080": "1w"}),
        ("KuCoin", {"1min": "1m", "30min": "30m", "1hour": "1h", "1day": "1d", "1week": "1w", "1month": "1mo"}),
        ("people", {"60m": "1h", "24h": "1d", "7d": "1w", "4 hours": "4h", "hour": "1h", "h": "1h", "day": "1d",
                    "daily": "1d", "weekly": "1w", "monthly": "1mo", "month": "1mo", "1mo": "1mo"}),
    ],
)  # fmt: skip
def test_words_of_platforms(platform: str, words: dict[str, str]) -> None:
    assert {word: normalise_timeframe(word) for word in words} == words, platform


@pytest.mark.parametrize("word", ["1M", "M", "m", " 1M "])
def test_what_platforms_read_in_two_ways_is_asked(word: str) -> None:
    with pytest.raises(TimeframeError, match=r"\(a minute is 1m, a month is 1mo\)"):
        normalise_timeframe(word)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("7m", "(did you mean 5m?)"), ("45", "(did you mean 1h?)"), ("10h", "(did you mean 12h?)"),
        ("31d", "(did you mean 1mo?)"), ("12mo", "(did you mean 1mo?)"), ("M12", "(did you mean 15m?)"),
        ("3600", "(a bare number counts minutes; did you mean 1h?)"),
        ("86400", "(a bare number counts minutes; did you mean 1d?)"),
        ("60s", "supported; use"), ("", "supported; use"),
    ],
)  # fmt: skip
def test_other_words_are_refused_with_the_nearest(word: str, hint: str) -> None:
    with pytest.raises(TimeframeError) as caught:
        normalise_timeframe(word)
    assert hint in str(caught.value)


@given(st.integers(1, 60_000), st.sampled_from(sorted(UNITS)))
def test_a_word_names_its_own_length_or_nothing(count: int, unit: str) -> None:
    """Days and weeks never add up to a month, whose length is only nominal."""
    is_month = UNITS[unit] == DURATION_MS["1mo"]
    lengths = {name: length for name, length in DURATION_MS.items() if (name == "1mo") == is_month}
    expected = next((name for name, length in lengths.items() if length == count * UNITS[unit]), None)
    try:
        assert normalise_timeframe(f"{count}{unit}") == expected
    except TimeframeError:
        assert expected is None


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(HubError):
        assert normalise_timeframe(text) in DURATION_MS
